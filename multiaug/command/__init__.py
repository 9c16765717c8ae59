"""The command `multiaug`: look at data, augmentations and statistics without writing a program.

Every subcommand is one file of `multiaug.command.subcommands`. Nothing here imports the library
before a subcommand runs, so that help is fast.
"""

from ._main import main as main

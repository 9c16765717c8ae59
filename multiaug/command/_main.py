"""The command as a whole: its subcommands, its exit codes, and what an error looks like."""

from __future__ import annotations

import importlib
import pkgutil
import sys
import traceback
import warnings
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from . import subcommands
from ._output import complain

REFUSED, USAGE = 1, 2

app = typer.Typer(
    name="multiaug",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_versions(wanted: bool) -> None:
    if wanted:
        import platform

        import jax

        from .._version import __version__

        machine = f"{platform.system()} {platform.machine()}"
        print(
            f"multiaug {__version__}, jax {jax.__version__}, Python {platform.python_version()}, "
            f"{machine}"
        )
        raise typer.Exit


@app.callback()
def _whole(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_versions, is_eager=True, help="Print versions and end."
        ),
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Augment data that is more than an RGB image.

    Begin with `multiaug demo`, or with `multiaug inspect FOLDER` and
    `multiaug preview FOLDER` on data of your own.
    """


def _register() -> None:
    """Every module of `subcommands` adds itself: a new subcommand is one file."""
    for module in pkgutil.iter_modules(subcommands.__path__):
        importlib.import_module(f"{subcommands.__name__}.{module.name}").register(app)


_register()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: without the name of the program; by default those of the process.

    Returns:
        0; 1 where something was refused or failed; 2 where the command was not understood.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    command = typer.main.get_command(app)
    with warnings.catch_warnings():
        _warn_in_lines(debug)
        try:
            # --debug may stand anywhere.
            rest = [one for one in given if one != "--debug"]
            found: Any = command.main(rest, prog_name="multiaug", standalone_mode=False)
        except KeyboardInterrupt:
            complain("interrupted.")
            return 130
        except Exception as error:
            return _failed(error, debug=debug)
    return found if isinstance(found, int) else 0


def _failed(error: Exception, *, debug: bool) -> int:
    """Say what went wrong; returns the exit code."""
    code = getattr(error, "exit_code", None)
    if isinstance(code, int):  # of the parser of the command line, or an exit on purpose
        show = getattr(error, "show", None)
        if show is not None:
            show()
        return code
    if type(error).__name__ == "Abort":
        complain("interrupted.")
        return REFUSED
    if debug:
        traceback.print_exc()
        return REFUSED
    known = isinstance(error, ValueError | OSError | ImportError)
    text = str(error).strip() or type(error).__name__
    complain(text if known else f"{type(error).__name__}: {text} Run it again with --debug.")
    return REFUSED


def _warn_in_lines(debug: bool) -> None:
    """A warning is one line on stderr; those of other libraries are for developers."""

    def show(message: Any, category: type[Warning], *_: Any, **__: Any) -> None:
        if debug or category.__module__.startswith("multiaug"):
            complain(" ".join(str(message).split()), kind="warning")

    warnings.simplefilter("default")
    warnings.showwarning = show

"""Commands on pages and in help texts are ones that the parser understands; none is run."""

import re
import shlex

import pytest
import typer

from multiaug.command import subcommands
from multiaug.command._main import app
from tests.docs.pages import DOCS, ROOT

_FENCE = re.compile(r"^```(?:bash|sh|console|text)?\n(.*?)^```", re.DOTALL | re.MULTILINE)
_SPAN = re.compile(r"`(multiaug [^`\n]+)`")
FILES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
FILES += sorted((ROOT / subcommands.__path__[0]).glob("[!_]*.py"))


def commands_of(text: str) -> list[str]:
    """Lines of blocks and code within sentences that begin with the command."""
    lines = [line for block in _FENCE.findall(text) for line in block.splitlines()]
    fenced = [line.removeprefix("$ ") for line in lines]
    return [line for line in fenced if line.startswith("multiaug ")] + _SPAN.findall(text)


def parse(line: str) -> None:
    """Have every word of a command taken by the parser of its subcommand.

    Raises:
        AssertionError: there is no such subcommand.
        Exception: the parser's own, of unknown options and superfluous words.
    """
    words = shlex.split(line, comments=True)[1:]
    command = typer.main.get_command(app)
    while words and hasattr(command, "commands") and not words[0].startswith("-"):
        name = words.pop(0)
        assert name in command.commands, f"{line}: no subcommand {name}"
        command = command.commands[name]
    context = command.make_context("multiaug", [], resilient_parsing=True)  # runs no callbacks
    context.resilient_parsing = False
    # What is required may be missing: a sentence may speak of one option.
    _, left_over, _ = command.make_parser(context).parse_args(words)
    assert left_over == [], f"{line}: nothing takes {left_over}"


FOUND = sorted({line for file in FILES for line in commands_of(file.read_text("utf-8"))})


@pytest.mark.parametrize("line", FOUND)
def test_commands_are_understood(line):
    parse(line)


def test_there_are_commands_to_look_at():
    assert len(FOUND) > 15


@pytest.mark.parametrize(
    "line",
    [
        "multiaug inspcet a",
        "multiaug inspect a --spek b",
        "multiaug spec lits",
        "multiaug demo abc",
    ],
)
def test_what_is_wrong_is_found(line):
    with pytest.raises(Exception, match=r"inspcet|spek|lits|abc"):
        parse(line)

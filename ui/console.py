"""What all commands share: options, JSON on standard output, progress on standard error, and how a command ends."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nextbest.data.errors import FailedError, InputError

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["Json", "Models", "StartProgress", "open_console", "print_json", "run_command", "shown_progress"]

Models = Annotated[Path, typer.Option("--models", help="The folder of the served models.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]

_LOG_WIDTH = 140

StartProgress = Callable[[str], Callable[[str, float], None]]
"""Begins a progress bar with a description, and returns a function that shows a text and the share that is done."""


def run_command(app: Callable[[], object]) -> None:
    """Run a command line; bad input is printed in a line per problem and ends with exit code 2, a failure with 1."""
    try:
        app()
    except (InputError, FileNotFoundError, FileExistsError) as error:
        typer.echo(str(error), err=True)
        sys.exit(2)
    except FailedError as error:
        typer.echo(str(error), err=True)
        sys.exit(1)


def print_json(content: Any) -> None:
    """Print JSON for machines; what it does not know, such as a date, becomes a string."""
    typer.echo(json.dumps(content, indent=2, ensure_ascii=False, default=str))


def open_console() -> Console:
    """Return standard output, where ids and names are shown as they are; a log has no width, and is given one."""
    from rich.console import Console

    console = Console(markup=False, emoji=False)
    if not console.is_terminal:
        console.width = _LOG_WIDTH
    return console


@contextmanager
def shown_progress(quiet: bool) -> Iterator[StartProgress]:
    """Yield what begins a progress bar on standard error."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[text]}"), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=quiet) as bars:

        def begin(description: str) -> Callable[[str, float], None]:
            task = bars.add_task(description, total=1.0, text="")
            if not console.is_terminal and not quiet:
                console.print(description)

            def show(text: str, share: float) -> None:
                bars.update(task, completed=share, text=text)

            return show

        yield begin

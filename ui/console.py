"""What a terminal shows: tables on standard output, progress on standard error."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
import sys

import typer

from nextbest.data.errors import FailedError, InputError

__all__ = ["open_console", "run_command", "shown_progress"]

_LOG_WIDTH = 140


def open_console() -> Console:
    """Return standard output, where ids and names are shown as they are; a log has no width, and is given one."""
    from rich.console import Console

    console = Console(markup=False, emoji=False)
    if not console.is_terminal:
        console.width = _LOG_WIDTH
    return console


@contextmanager
def shown_progress(quiet: bool) -> Iterator[Callable[[str], Callable[[str, float], None]]]:
    """Yield a function that begins a progress bar on standard error and returns what moves it."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[what]}"), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=quiet) as progress:

        def begin(description: str) -> Callable[[str, float], None]:
            task = progress.add_task(description, total=1.0, what="")
            if not console.is_terminal and not quiet:
                console.print(description)

            def show(what: str, share: float) -> None:
                progress.update(task, completed=share, what=what)

            return show

        yield begin


def run_command(app: Callable[[], object]) -> None:
    """Run a command line; bad input is told in a line per problem and ends with exit code 2, what failed with 1."""
    try:
        app()
    except (InputError, FileNotFoundError, FileExistsError) as error:
        typer.echo(str(error), err=True)
        sys.exit(2)
    except FailedError as error:
        typer.echo(str(error), err=True)
        sys.exit(1)

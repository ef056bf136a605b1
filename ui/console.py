"""What all commands share: options, JSON on standard output, progress on standard error, and how a command ends.

Python writes to the terminal; what the C++ code of TensorFlow and of ScaNN writes there goes to the run's log.
"""

from __future__ import annotations

import io
import json
import logging
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nextbest.data.errors import FailedError, InputError
from nextbest.data.remote import as_folder

if TYPE_CHECKING:
    from rich.console import Console

__all__ = [
    "CustomersFile",
    "HoldingsFile",
    "Json",
    "Models",
    "PushTo",
    "ServedModels",
    "StartProgress",
    "open_console",
    "print_json",
    "run_command",
    "show_log",
    "shown_progress",
    "write_native_output_to",
]


def _written(path: Path | None) -> Path | None:
    return None if path is None else as_folder(path)


Models = Annotated[Path, typer.Option("--models", help="The folder of the served models.", callback=_written)]
PushTo = Annotated[
    Path | None, typer.Option("--models", help="The folder to push the models to when all is done.", callback=_written)
]
ServedModels = Annotated[
    str, typer.Option("--models", help="The folder of the served models, or a copy of it at s3://...")
]
CustomersFile = Annotated[str, typer.Option("--customers", help="The customers: CSV or Parquet, here or at s3://...")]
HoldingsFile = Annotated[
    str | None,
    typer.Option("--holdings", help="What they hold: customer, product_id, since; in place of what the export knows."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]

_LOG_WIDTH = 140

StartProgress = Callable[[str], Callable[[str, float], None]]
"""Begins a progress bar with a description, and returns a function that shows a text and the share that is done."""


def run_command(app: Callable[[], object]) -> None:
    """Run a command line; bad input is printed in a line per problem and ends with exit code 2, a failure with 1."""
    try:
        with _native_output:
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
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[text]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
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


class _TerminalHandler(logging.StreamHandler[Any]):
    """Writes the log to standard error; there is one at a time."""


def show_log(verbosity: int) -> None:
    """Log to standard error: warnings, with 1 what begins and ends, with 2 every epoch too."""
    handler = _TerminalHandler()
    handler.setLevel((logging.WARNING, logging.INFO, logging.DEBUG)[min(verbosity, 2)])
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger = logging.getLogger("nextbest")
    logger.setLevel(logging.DEBUG)
    logger.propagate = False  # else TensorFlow's own handler would show all of it
    logger.handlers[:] = [one for one in logger.handlers if not isinstance(one, _TerminalHandler)] + [handler]


class _NativeOutput:
    """Keeps what C++ code writes to standard error off the terminal, within a block.

    It is kept aside until `into` names a file. Where that never comes and the block fails, it is shown after all.
    """

    def __enter__(self) -> None:
        self._python = sys.stderr
        self._terminal = os.dup(2)
        self._aside = tempfile.TemporaryFile()
        self._named = False
        self._python.flush()
        os.dup2(self._aside.fileno(), 2)
        if _writes_to_descriptor_2(self._python):
            sys.stderr = os.fdopen(os.dup(self._terminal), "w", buffering=1, encoding=self._python.encoding)

    def into(self, path: Path) -> None:
        """Write it to the end of a file, with what was kept aside."""
        with path.open("ab") as file:
            self._aside.seek(0)
            file.write(self._aside.read())
            file.flush()
            os.dup2(file.fileno(), 2)
        self._named = True

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        os.dup2(self._terminal, 2)
        os.close(self._terminal)
        if sys.stderr is not self._python:
            sys.stderr.close()
            sys.stderr = self._python
        if kind is not None and not self._named and not issubclass(kind, (InputError, SystemExit, typer.Exit)):
            self._aside.seek(0)
            sys.stderr.write(self._aside.read().decode(errors="replace"))
        self._aside.close()


_native_output = _NativeOutput()


def write_native_output_to(path: Path) -> None:
    """Let what C++ code has written to standard error, and will, stand at the end of a file."""
    _native_output.into(path)


def _writes_to_descriptor_2(stream: Any) -> bool:
    try:
        return bool(stream.fileno() == 2)
    except (AttributeError, io.UnsupportedOperation):  # a test's
        return False

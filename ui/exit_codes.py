"""How every command ends: 0 done, 1 failed, 2 bad usage or bad input."""

from __future__ import annotations

import sys
from collections.abc import Callable

import typer

from nextbest.data.problems import FailedError, InputError

__all__ = ["run_command"]


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

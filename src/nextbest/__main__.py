"""The command `nextbest`, and `python -m nextbest`: the extra `cli`."""

import atexit
import gc
import sys

from nextbest.data.errors import MissingPackageError, explain_missing_packages

__all__ = ["main"]


def main() -> None:
    """Run a command; a package that is missing ends it with exit code 2 and the extra that brings it."""
    _collect_rarely()
    try:
        with explain_missing_packages():
            from nextbest.ui.cli import main as run_command  # imports typer

            run_command()
    except MissingPackageError as error:
        print(error, file=sys.stderr)
        sys.exit(2)


def _collect_rarely() -> None:
    """Spare the collector TensorFlow's millions of objects, which live as long as the process does.

    It would look through them at each start and while graphs are built, and at the exit for seconds.
    """
    gc.set_threshold(50_000, 20, 50)
    atexit.register(gc.freeze)


if __name__ == "__main__":
    main()

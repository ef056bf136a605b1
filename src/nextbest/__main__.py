"""The command `nextbest`, and `python -m nextbest`: the extra `cli`."""

import atexit
import gc
import sys

from nextbest.data.errors import MissingPackageError, explain_missing_packages

__all__ = ["main"]


def main() -> None:
    """Run a command; a package that is missing ends it with exit code 2 and the extra that brings it."""
    atexit.register(gc.freeze)  # at the exit the collector would look through TensorFlow's objects for seconds
    try:
        with explain_missing_packages():
            from nextbest.ui.cli import main as run_command  # imports typer

            run_command()
    except MissingPackageError as error:
        print(error, file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()

"""The command line: `nextbest` and the order of its commands.

The commands parse, call and print: those that make models are in `ui.cli_train`, those that use them in `ui.cli_serve`
and `ui.cli_monitor`, and what removes a customer from both in `ui.cli_forget`.
Heavy imports wait inside each command until it runs.
"""

from __future__ import annotations

from typing import Annotated

import typer

import nextbest
from nextbest.ui.cli_forget import forget
from nextbest.ui.cli_monitor import monitor
from nextbest.ui.cli_schema import schema
from nextbest.ui.cli_serve import recommend, score, ui
from nextbest.ui.cli_train import backtest, evaluate, export, refresh, run, simulate, train, tune, verify
from nextbest.ui.console import run_command, show_log

__all__ = ["app", "main"]

app = typer.Typer(
    name="nextbest",
    help="A two-stage recommender of a bank customer's next best products.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"nextbest {nextbest.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_print_version)
    ] = False,
    verbose: Annotated[
        int, typer.Option("--verbose", "-v", count=True, help="Log what begins and ends; twice, every epoch too.")
    ] = 0,
) -> None:
    show_log(verbose)


for command in (
    simulate,
    schema,
    run,
    train,
    evaluate,
    backtest,
    verify,
    refresh,
    tune,
    export,
    recommend,
    score,
    monitor,
    forget,
    ui,
):
    app.command()(command)


def main() -> None:
    """Run a command; see `run_command` for how it ends."""
    run_command(app)


if __name__ == "__main__":
    main()

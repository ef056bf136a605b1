"""The command line: `python -m benchmarks.movielens COMMAND`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nextbest.ui.console import run_command

__all__ = ["app", "main"]

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

Source = Annotated[
    Path | None,
    typer.Option("--source", help="A folder with ml-100k.inter, .item and .user; the installed recbole's without it."),
]


@app.callback()
def movielens() -> None:
    """MovieLens 100K: the film that each person rated last, predicted from those before."""


@app.command("prepare")
def prepare_tables(
    out: Annotated[Path, typer.Option("--out", help="The folder to write; it must be empty or not there.")],
    source: Source = None,
) -> None:
    """Write the tables and the nextbest.toml that `nextbest run` reads."""
    from benchmarks.movielens.prepare import installed_folder, prepare

    typer.echo(f"wrote {prepare(source or installed_folder(), out)}")


@app.command("run")
def run_benchmark(
    out: Annotated[Path, typer.Option("--out", help="The folder; a killed run goes on when it is named again.")],
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="How many seeds our models are trained with.")] = 3,
    source: Source = None,
) -> None:
    """Train retrieval and ranking, choose and fit the peers, and measure all on everyone's last film."""
    from benchmarks.movielens.prepare import installed_folder
    from benchmarks.movielens.report import markdown
    from benchmarks.movielens.run import measure
    from nextbest.modelling.training import Progress

    def begin(step: str) -> Progress:
        typer.echo(step, err=True)
        return lambda what, share: typer.echo(f"  {share:4.0%} {what}", err=True)

    findings = measure(source or installed_folder(), out, range(seeds), begin)
    typer.echo(markdown(findings))


def main() -> None:
    """Run a command; see `run_command` for how it ends."""
    run_command(app)


if __name__ == "__main__":
    main()

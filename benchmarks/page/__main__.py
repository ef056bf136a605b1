"""The command line: `python -m benchmarks.page COMMAND`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from nextbest.ui.console import run_command

__all__ = ["app", "main"]

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

Models = Annotated[Path, typer.Option("--models", help="The folder of the served models.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Draws the customers and what is asked.")]


@app.callback()
def page() -> None:
    """The page: pictures of it, what its tasks cost, how many users it bears, and how fast it is in a browser."""


@app.command("screenshots")
def take_screenshots(
    models: Models,
    out: Annotated[Path, typer.Option("--out", help="The folder to write the pictures to.")],
    customer: Annotated[
        str | None, typer.Option("--customer", help="Who is shown; the first one with enough to show without it.")
    ] = None,
) -> None:
    """Take a picture of every tab: light, dark and narrow. Needs Chromium and the package playwright."""
    from benchmarks.page.screenshots import screenshots

    written = screenshots(models, out, customer)
    size = sum(path.stat().st_size for path in written)
    typer.echo(f"wrote {len(written)} pictures to {out}, {size / 1e6:.1f} MB")


@app.command("load")
def measure_load(
    models: Models,
    users: Annotated[int, typer.Option("--users", min=1, help="How many ask at the same time.")] = 20,
    seconds: Annotated[float, typer.Option("--seconds", min=0.1, help="For how long.")] = 60,
    seed: Seed = 0,
    out: Annotated[Path | None, typer.Option("--out", help="A JSON file for the figures.")] = None,
) -> None:
    """Let simultaneous users ask the page's endpoints; any error ends it with exit code 1."""
    from benchmarks.page.load import load, markdown
    from nextbest.data.files import write_text

    found = load(models, users, seconds, seed)
    if out is not None:
        write_text(out, json.dumps(asdict(found), indent=1) + "\n")
    typer.echo(markdown(found), nl=False)
    if found.errors:
        raise typer.Exit(1)


@app.command("paint")
def measure_paint(
    models: Models,
    customers: Annotated[int, typer.Option("--customers", min=1, help="How many customers are chosen.")] = 20,
    visits: Annotated[int, typer.Option("--visits", min=1, help="How many visits follow the first one.")] = 5,
    seed: Seed = 0,
) -> None:
    """Measure first paint and answers in a browser. Needs Chromium and the package playwright."""
    from benchmarks.page.paint import markdown, paint

    typer.echo(markdown(paint(models, customers, visits, seed)), nl=False)


@app.command("tasks")
def do_tasks(models: Models) -> None:
    """Do five tasks as a user does, and count clicks; more of them than asked end it with exit code 1."""
    from benchmarks.page.tasks import markdown, tasks

    found = tasks(models)
    typer.echo(markdown(found), nl=False)
    if any(one.clicks > one.task.most_clicks for one in found):
        raise typer.Exit(1)


def main() -> None:
    """Run a command; see `run_command` for how it ends."""
    run_command(app)


if __name__ == "__main__":
    main()

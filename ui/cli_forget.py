"""The command `forget`: remove a customer from all models and runs, and look whether anything is left."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nextbest.ui.console import Json, Models, open_console, print_json

if TYPE_CHECKING:
    from nextbest.pipeline.forget import Forgotten

__all__ = ["forget"]

_REMINDER = (
    "The bank's own tables are untouched: remove the customer there too, else the next run or refresh reads it again."
)


def forget(
    customers: Annotated[list[str], typer.Argument(metavar="ID...", help="The ids of the customers.")],
    models: Models,
    runs: Annotated[
        list[Path] | None, typer.Option("--runs", help="A run's folder, or one that holds runs; repeat for more.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list what would be removed.")] = False,
    as_json: Json = False,
) -> None:
    """Remove customers from all versions and runs; the exit code is 1 if a search finds an id afterwards."""
    from nextbest.pipeline.forget import forget

    done = forget(customers, models, runs or (), dry_run=dry_run)
    if as_json:
        print_json(done.as_json())
    else:
        _print(done)
    if done.left and not dry_run:
        raise typer.Exit(1)


def _print(done: Forgotten) -> None:
    from rich.table import Table

    if done.removed:
        table = Table("kind", "versions and runs", "rows that would go" if done.dry_run else "rows removed")
        for kind in dict.fromkeys(one.kind for one in done.removed):
            rows = [one.rows for one in done.removed if one.kind == kind]
            table.add_row(kind, f"{len(rows):,}", f"{sum(rows):,}")
        open_console().print(table)
    elif not done.left:
        typer.echo("nothing to remove: the id is nowhere")
    searched = f"searched {done.files:,} files, {done.size:,} bytes: "
    if done.left:
        typer.echo(searched + f"{len(done.left):,} hold the id" + (" now" if done.dry_run else " still; remove them"))
        for path in done.left:
            typer.echo(f"  {path}")
    else:
        typer.echo(searched + "the id is in none")
    if done.removed:
        typer.echo(_REMINDER)

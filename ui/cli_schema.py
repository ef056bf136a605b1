"""The command `schema`: what the tables mean, what is doubtful, and what only a person can answer."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import click
import typer

import nextbest
from nextbest.ui.console import open_console

if TYPE_CHECKING:
    from nextbest.data.tables.infer_config import FoundColumn, Inference, Question

__all__ = ["schema"]

Answer = TypeVar("Answer", bound=str)

_PLACES = "CSV or Parquet, a folder of such or a pattern, here or at s3://..., or a database's SQLAlchemy URL"


def schema(
    customers: Annotated[str, typer.Option("--customers", help=f"The customers: {_PLACES}.")],
    products: Annotated[str, typer.Option("--products", help="The products, likewise.")],
    interactions: Annotated[str, typer.Option("--interactions", help="The dated interactions, likewise.")],
    out: Annotated[Path, typer.Option("--out", help="The TOML to write.")] = Path("nextbest.toml"),
    customers_query: Annotated[str | None, typer.Option(help="The SQL, of customers in a database.")] = None,
    products_query: Annotated[str | None, typer.Option(help="The SQL, of products in a database.")] = None,
    interactions_query: Annotated[str | None, typer.Option(help="The SQL, of interactions in a database.")] = None,
) -> None:
    """Infer the TOML from the tables, say what was understood and what is doubtful, and ask what is open."""

    def look(found: Inference) -> Inference:
        _show_columns(found.columns)
        for doubt in found.doubts:
            typer.echo(f"doubtful: {doubt}")
        if sys.stdin.isatty() and sys.stdout.isatty():
            found = _ask(found)
        for question in found.questions:
            typer.echo(f"open: {question.why}")
        open_questions.extend(found.questions)
        return found

    open_questions: list[Question] = []
    asked = {"customers": customers_query, "products": products_query, "interactions": interactions_query}
    queries = {table: query for table, query in asked.items() if query is not None}
    nextbest.infer_config(customers, products, interactions, out, look, queries)
    if open_questions:
        typer.echo(f"wrote {out}: answer each QUESTION in it, where a setting is a question mark, before you train")
    else:
        typer.echo(f"wrote {out}: look through the roles, the events and the windows before you train")


def _show_columns(columns: tuple[FoundColumn, ...]) -> None:
    from rich import box
    from rich.table import Table

    shown = Table("table", "column", "taken for", "share", "for example", box=box.SIMPLE)
    for column in columns:
        example = column.example if len(column.example) <= 40 else column.example[:39] + "…"
        shown.add_row(column.table, column.name, column.role, f"{column.share:.1%}", example)
    open_console().print(shown)


def _ask(found: Inference) -> Inference:
    """Ask what is open."""
    from nextbest.data.tables.notation import NotationQuestion
    from nextbest.data.tables.words import EVENT_KINDS

    for question in found.questions:
        typer.echo(question.why)
        if isinstance(question, NotationQuestion):
            found = found.answer(question, _choose("which is it", question.options))
        elif typer.confirm(f"does {question.column!r} say what happened", default=True):
            meant = {word: _choose(f"what does {word!r} mean", EVENT_KINDS) for word in question.words}
            found = found.answer(question, meant)
        else:
            found = found.answer(question, {})
    return found


def _choose(text: str, options: Sequence[Answer]) -> Answer:
    chosen: Answer = typer.prompt(text, type=click.Choice(options))
    return chosen

"""The options that several commands of the command line share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "Backend",
    "Categories",
    "Client",
    "Config",
    "Exclude",
    "Force",
    "Json",
    "MaxRisk",
    "Models",
    "Out",
]

Config = Annotated[Path, typer.Option("--config", help="The TOML that describes the tables.")]
Out = Annotated[Path, typer.Option("--out", help="The run's folder; a killed run goes on when it is named again.")]
Models = Annotated[Path, typer.Option("--models", help="The folder of the served models.")]
Force = Annotated[bool, typer.Option("--force", help="Push the models though they are not approved.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]

MaxRisk = Annotated[float | None, typer.Option("--max-risk", help="The highest product risk wanted.")]
Categories = Annotated[list[str] | None, typer.Option("--category", help="A wanted category; repeat for more.")]
Exclude = Annotated[list[str] | None, typer.Option("--exclude", help="A product id to leave out; repeat for more.")]

Backend = Annotated[
    str, typer.Option("--backend", help="Backend: local, or TF Serving: grpc[s]://HOST:PORT, http[s]://HOST:PORT.")
]
Client = Annotated[
    Path | None, typer.Option("--client", help="A TOML for the backend: deadlines, TLS, batches; see the README.")
]

"""The command `monitor`: a served model's customers, scores and outcomes against its training."""

from __future__ import annotations

from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from nextbest.ui.console import CustomersFile, HoldingsFile, Json, ServedModels, print_json

__all__ = ["monitor"]


def monitor(
    models: ServedModels,
    customers: CustomersFile,
    outcomes: Annotated[
        str | None,
        typer.Option("--outcomes", help="Interactions, as the run's config describes them: what came since."),
    ] = None,
    holdings: HoldingsFile = None,
    as_of: Annotated[
        datetime | None,
        typer.Option("--as-of", formats=["%Y-%m-%d"], help="The day of the file; by default the export's cutoff."),
    ] = None,
    max_psi: Annotated[
        float,
        typer.Option("--max-psi", min=0, help="The population stability index that matters, beyond usual change."),
    ] = 0.25,
    max_share: Annotated[
        float, typer.Option("--max-share", min=0, max=1, help="Likewise of missing values and unknown ids, as shares.")
    ] = 0.05,
    max_unseen: Annotated[
        float, typer.Option("--max-unseen", min=0, max=1, help="Likewise of words that the training never saw.")
    ] = 0.01,
    max_factor: Annotated[
        float, typer.Option("--max-factor", min=1, help="Likewise of rates of events, and of calibration, as a factor.")
    ] = 2.0,
    max_drop: Annotated[
        float, typer.Option("--max-drop", min=0, max=1, help="Likewise of nDCG: the share by which it may fall.")
    ] = 0.3,
    out: Annotated[
        Path | None, typer.Option("--out", help="The folder for monitor.json, report.html and nextbest.prom.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Compare customers, scores and what came since with the training; the exit code is 1 if a limit is passed."""
    from nextbest.data.windows import day_of
    from nextbest.serving.monitoring.checks import Limits
    from nextbest.serving.monitoring.report import lines, write_report
    from nextbest.serving.monitoring.watch import load_outcomes, watch
    from nextbest.serving.recommender import Recommender
    from nextbest.serving.requests import requests_from_file

    with closing(Recommender.load(models)) as recommender:
        ids, requests = requests_from_file(recommender, customers, holdings)
        events = None if outcomes is None else load_outcomes(recommender, ids, outcomes)
        limits = Limits(max_psi, max_share, max_unseen, max_factor, max_drop)
        day = None if as_of is None else day_of(as_of.date())
        report = watch(recommender, ids, requests, events, day, limits=limits)
    if out is not None:
        write_report(report, out)
    if as_json:
        print_json(report.as_json())
    else:
        for line in lines(report):
            typer.echo(line)
        if out is not None:
            typer.echo(f"report: {out / 'report.html'}")
    if report.alarms:
        raise typer.Exit(1)

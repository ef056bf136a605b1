"""The commands that make models: the tables and their TOML, a run and its steps, refresh, tuning and pushing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from nextbest.ui.console import (
    Json,
    Models,
    PushTo,
    StartProgress,
    open_console,
    print_json,
    shown_progress,
    write_native_output_to,
)

if TYPE_CHECKING:
    from nextbest.evaluation.results import Evaluation
    from nextbest.pipeline.run import Run

__all__ = ["backtest", "evaluate", "export", "refresh", "run", "simulate", "train", "tune", "verify"]

Config = Annotated[Path, typer.Option("--config", help="The TOML that describes the tables.")]
Out = Annotated[Path, typer.Option("--out", help="The run's folder; a killed run goes on when it is named again.")]
Why = Annotated[str | None, typer.Option("--why", help="Why it is pushed, for the record.")]
Force = Annotated[bool, typer.Option("--force", help="Push the models though they are not approved.")]


def simulate(
    out: Annotated[Path, typer.Option("--out", help="The folder to write; it must be empty or not there.")],
    customers: Annotated[int, typer.Option("--customers", min=1, help="How many customers.")] = 10_000,
    products: Annotated[int, typer.Option("--products", min=20, help="How many products.")] = 120,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed gives the same bank.")] = 7,
    as_json: Json = False,
) -> None:
    """Simulate a bank: three tables, the TOML that describes them, and the best possible answers."""
    from nextbest.data.bank import BankConfig, simulate_bank

    config = BankConfig(customers=customers, products=products, seed=seed)
    with shown_progress(as_json) as progress:
        show = progress(f"simulate {customers:,} customers and {products:,} products")
        toml = simulate_bank(config, out, lambda share, what: show(what, share))
    print_json({"config": str(toml)}) if as_json else typer.echo(f"wrote {toml}")


def run(
    config: Config,
    out: Out,
    models: PushTo = None,
    force: Force = False,
    why: Why = None,
    as_json: Json = False,
) -> None:
    """Train retrieval and ranking, measure them, refresh them to the newest day, and push what is good enough."""
    from nextbest.pipeline.run import start_run
    from nextbest.pipeline.run_all import run_all

    outcome = _with_run(
        lambda progress: start_run(config, out, progress), as_json, lambda started: run_all(started, models, force, why)
    )
    _print_evaluation(outcome.evaluation, as_json)
    if not as_json:
        typer.echo(f"report: {out / 'evaluation' / 'report.html'}")
        typer.echo(f"what is served knows all until {outcome.as_of}")
        if outcome.version is not None:
            typer.echo(f"pushed version {outcome.version} to {models}")
    if outcome.refusal is not None:
        typer.echo(outcome.refusal, err=True)
        raise typer.Exit(1)


def train(config: Config, out: Out) -> None:
    """Train both stages and join them (the first step of `run`)."""
    from nextbest.pipeline.run import start_run
    from nextbest.pipeline.run_all import train_and_compose

    _with_run(lambda progress: start_run(config, out, progress), False, train_and_compose)
    typer.echo(f"trained: {out}")


def evaluate(out: Out, as_json: Json = False) -> None:
    """Measure a trained run on its test window (the second step of `run`)."""
    from nextbest.pipeline.evaluate import evaluate_run
    from nextbest.pipeline.run import open_run

    _print_evaluation(_with_run(lambda progress: open_run(out, progress), as_json, evaluate_run), as_json)


def backtest(
    config: Config,
    out: Annotated[Path, typer.Option("--out", help="The folder of all its runs; a killed one goes on.")],
    cutoffs: Annotated[int, typer.Option("--cutoffs", min=2, help="How many cutoffs, the newest the config's.")] = 4,
    every: Annotated[
        int | None, typer.Option("--every", min=1, help="Days from one to the next; by default the horizon.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Train and measure at several cutoffs, and show how stable the figures are."""
    from nextbest.pipeline.backtest import backtest as train_at_cutoffs
    from nextbest.pipeline.backtest_result import terminal_report

    with shown_progress(as_json) as progress:
        found = train_at_cutoffs(config, out, cutoffs, every, progress)
    if as_json:
        print_json(found.as_json())
        return
    open_console().print(terminal_report(found))
    typer.echo(f"report: {out / 'backtest.html'}")


def verify(
    trained: Annotated[Path, typer.Argument(metavar="RUN", help="The run to train once more.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="The new run's folder, RUN-verified by default; a killed one goes on.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Train a run once more from what its folder says and compare all metrics; the exit code is 1 if any differs."""
    from nextbest.pipeline.verify import terminal_report
    from nextbest.pipeline.verify import verify as train_again

    with shown_progress(as_json) as progress:
        found = train_again(trained, out, progress)
    print_json(found.as_json()) if as_json else open_console().print(terminal_report(found))
    if not found.agrees:
        raise typer.Exit(1)


def refresh(
    trained: Annotated[Path, typer.Option("--run", help="The trained run whose weights are reused.")],
    config: Config,
    out: Out,
    models: PushTo = None,
    force: Force = False,
    why: Why = None,
    as_json: Json = False,
) -> None:
    """Bring a trained run up to newer tables without training: products, popularity, holdings, statistics."""
    from nextbest.pipeline.export import export_run
    from nextbest.pipeline.refresh import refresh, start_refresh

    def refresh_and_push(started: Run) -> int | None:
        refresh(trained, started)
        return None if models is None else export_run(started, models, force, why)

    version = _with_run(lambda progress: start_refresh(trained, config, out, progress), as_json, refresh_and_push)
    text = f"refreshed: {out}" if version is None else f"refreshed: {out}, pushed as version {version} to {models}"
    print_json({"run": str(out), "pushed": version}) if as_json else typer.echo(text)


def tune(
    config: Config,
    trials: Annotated[int, typer.Option("--trials", min=1, help="How many settings to try per stage, in all.")],
    out: Annotated[Path, typer.Option("--out", help="The search's folder; a killed search goes on in it.")],
    stage: Annotated[Literal["retrieval", "ranking", "both"], typer.Option("--stage", help="What to tune.")] = "both",
    as_json: Json = False,
) -> None:
    """Search better settings on the validation windows (the test window is not read) and write them as a TOML."""
    from nextbest.pipeline.tune import tune
    from nextbest.pipeline.tune_result import terminal_report

    with shown_progress(as_json) as progress:
        result = tune(config, out, trials, stage, progress)
    if as_json:
        print_json(result.as_json())
        return
    open_console().print(terminal_report(result))
    typer.echo(f"settings: {result.best}, trials: {result.trials}")


def export(
    models: Models,
    out: Annotated[Path | None, typer.Option("--out", help="The trained run whose models are pushed.")] = None,
    force: Force = False,
    list_: Annotated[bool, typer.Option("--list", help="List the versions.")] = False,
    rollback: Annotated[int | None, typer.Option("--rollback", help="Push this older version as the newest.")] = None,
    prune: Annotated[int | None, typer.Option("--prune", min=1, help="Remove all versions but so many.")] = None,
    why: Why = None,
    as_json: Json = False,
) -> None:
    """Refresh a run to the newest day and push it (the last steps of `run`), or list, roll back and prune versions."""
    jobs = {"--out": out, "--list": list_ or None, "--rollback": rollback, "--prune": prune}
    given = [name for name, value in jobs.items() if value is not None]
    if len(given) != 1:
        raise typer.BadParameter(f"give one of {', '.join(jobs)}; got {' and '.join(given) or 'none of them'}")
    answer: dict[str, Any]
    if out is not None:
        from nextbest.pipeline.export import export_run
        from nextbest.pipeline.run import open_run

        version = _with_run(partial(open_run, out), as_json, partial(export_run, models=models, force=force, why=why))
        answer, text = {"pushed": version}, f"pushed version {version} to {models}"
    elif rollback is not None:
        from nextbest.serving.store.push import rollback as push_again

        version = push_again(models, rollback, why)
        answer = {"pushed": version, "rollback_of": rollback}
        text = f"pushed version {version} to {models}, a copy of version {rollback}"
    elif prune is not None:
        from nextbest.serving.store.push import prune as remove_older

        removed = remove_older(models, prune)
        answer, text = {"removed": removed}, f"removed {', '.join(map(str, removed)) or 'nothing'} from {models}"
    else:
        from nextbest.serving.store.versions import list_versions
        from nextbest.ui.answers import print_versions

        versions = list_versions(models)
        print_json([asdict(version) for version in versions]) if as_json else print_versions(versions)
        changed = [str(version.number) for version in versions if version.unchanged is False]
        if changed:
            typer.echo(f"not as pushed: version {', '.join(changed)}; the graph or the weights are others", err=True)
            raise typer.Exit(1)
        return
    print_json(answer) if as_json else typer.echo(text)


def _with_run(start: Callable[[StartProgress], Run], quiet: bool, job: Callable[[Run], Any]) -> Any:
    """Start a run that shows its progress, and return what the job makes of it."""
    with shown_progress(quiet) as progress:
        run = start(progress)
        write_native_output_to(run.folder.path("run.log"))
        return job(run)


def _print_evaluation(evaluation: Evaluation, as_json: bool) -> None:
    if as_json:
        typer.echo(evaluation.model_dump_json(indent=2))
        return
    from nextbest.evaluation.report import terminal_report

    open_console().print(terminal_report(evaluation))

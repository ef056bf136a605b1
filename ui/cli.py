"""The command line: it parses, calls, and prints. Heavy imports wait until a command needs them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from nextbest.ui.console import open_console, run_command, shown_progress

if TYPE_CHECKING:
    from nextbest.evaluation.results import Evaluation
    from nextbest.pipeline.run import Run
    from nextbest.serving.insights.explanations import Explainer
    from nextbest.serving.recommender import Filters, Recommender

__all__ = ["app", "main"]

_ABOUT = 2  # attributes of a product that fit beside its scores

app = typer.Typer(
    name="nextbest",
    help="A two-stage recommender of a bank customer's next best products.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Config = Annotated[Path, typer.Option("--config", help="The TOML that describes the tables.")]
Out = Annotated[Path, typer.Option("--out", help="The run's folder; a killed run goes on when it is named again.")]
Models = Annotated[Path, typer.Option("--models", help="The folder of the served models.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
MaxRisk = Annotated[float | None, typer.Option("--max-risk", help="The highest product risk wanted.")]
Categories = Annotated[list[str] | None, typer.Option("--category", help="A wanted category; repeat for more.")]
Force = Annotated[bool, typer.Option("--force", help="Push the models though they are not blessed.")]
Backend = Annotated[
    str, typer.Option("--backend", help="Backend: local, or TF Serving: grpc[s]://HOST:PORT, http[s]://HOST:PORT.")
]
Client = Annotated[
    Path | None, typer.Option("--client", help="A TOML for the backend: deadlines, TLS, batches; see the README.")
]
WhyColumn = Annotated[
    bool,
    typer.Option(
        "--why",
        help="Add a column with the sentence that says why. Slow: 15 to 30 products a second on 2 cores, "
        "and seconds for each by REST.",
    ),
]
Exclude = Annotated[list[str] | None, typer.Option("--exclude", help="A product id to leave out; repeat for more.")]


def _print_json(content: Any) -> None:
    typer.echo(json.dumps(content, indent=2, ensure_ascii=False, default=str))


def _print_evaluation(evaluation: Evaluation, as_json: bool) -> None:
    if as_json:
        typer.echo(evaluation.model_dump_json(indent=2))
        return
    from nextbest.evaluation.report import terminal_report

    open_console().print(terminal_report(evaluation))


@app.command()
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
    _print_json({"config": str(toml)}) if as_json else typer.echo(f"wrote {toml}")


@app.command()
def schema(
    customers: Annotated[Path, typer.Option("--customers", help="The customers, CSV or Parquet.")],
    products: Annotated[Path, typer.Option("--products", help="The products, CSV or Parquet.")],
    interactions: Annotated[Path, typer.Option("--interactions", help="The dated interactions, CSV or Parquet.")],
    out: Annotated[Path, typer.Option("--out", help="The TOML to write.")] = Path("nextbest.toml"),
) -> None:
    """Infer the TOML from the tables, for a person to correct."""
    from nextbest.data.errors import InputError, Problem
    from nextbest.data.tables.infer_config import infer_config
    from nextbest.data.tables.write_config import write_toml

    if out.exists():
        raise InputError([Problem(str(out), None, None, "the file is there already", "name another --out")])
    folder = out.parent.resolve()
    write_toml(infer_config(customers.resolve(), products.resolve(), interactions.resolve(), folder), out)
    typer.echo(f"wrote {out}: look through the roles, the events and the windows before you train")


def _filters(
    recommender: Recommender, max_risk: float | None, categories: list[str] | None, exclude: list[str] | None
) -> Filters:
    from nextbest.serving.recommender import Filters
    from nextbest.serving.requests import check_filters

    filters = Filters(max_risk=max_risk, categories=categories or (), exclude=exclude or ())
    check_filters(recommender, filters)
    return filters


@contextmanager
def _recommender(models: Path, backend: str, client: Path | None) -> Iterator[Recommender]:
    from nextbest.serving.backends.config import load_client_config
    from nextbest.serving.recommender import Recommender

    with closing(Recommender.load(models, backend, load_client_config(client))) as recommender:
        yield recommender


def _explainer(recommender: Recommender, why: bool) -> Explainer | None:
    """Return who tells why, None where no one asks."""
    if not why:
        return None
    from nextbest.data.errors import InputError, Problem
    from nextbest.serving.artifacts.assets import EXPLANATIONS
    from nextbest.serving.insights.explanations import Explainer

    if recommender.asset(EXPLANATIONS) is None:
        what = "it was exported without what --why needs"
        raise InputError([Problem(str(recommender.folder), None, None, what, "export it again, or leave --why out")])
    return Explainer(recommender)


def _with_run(start: Callable[[Any], Run], quiet: bool, job: Callable[[Run], Any]) -> Any:
    with shown_progress(quiet) as progress:
        return job(start(progress))


@app.command()
def run(
    config: Config,
    out: Out,
    models: Annotated[Path | None, typer.Option("--models", help="Push the models here when all is done.")] = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Train retrieval and ranking, measure both, and push the models if they are good enough: the main job."""
    from nextbest.pipeline.run import start_run
    from nextbest.pipeline.run_all import run_all

    outcome = _with_run(
        lambda progress: start_run(config, out, progress), as_json, lambda begun: run_all(begun, models, force)
    )
    _print_evaluation(outcome.evaluation, as_json)
    if not as_json:
        typer.echo(f"report: {out / 'evaluation' / 'report.html'}")
        if outcome.version is not None:
            typer.echo(f"pushed version {outcome.version} to {models}")
    if outcome.refusal is not None:
        typer.echo(outcome.refusal, err=True)
        raise typer.Exit(1)


@app.command()
def train(config: Config, out: Out) -> None:
    """Train both stages and join them (the first step of `run`)."""
    from nextbest.pipeline.run import start_run
    from nextbest.pipeline.run_all import train_and_compose

    _with_run(lambda progress: start_run(config, out, progress), False, train_and_compose)
    typer.echo(f"trained: {out}")


@app.command()
def evaluate(out: Out, as_json: Json = False) -> None:
    """Measure a trained run on its test window (the second step of `run`)."""
    from nextbest.pipeline.evaluate import evaluate_run
    from nextbest.pipeline.run import open_run

    _print_evaluation(_with_run(lambda progress: open_run(out, progress), as_json, evaluate_run), as_json)


@app.command()
def refresh(
    trained: Annotated[Path, typer.Option("--run", help="The trained run whose weights are taken over.")],
    config: Config,
    out: Out,
    models: Annotated[Path | None, typer.Option("--models", help="Push the refreshed models here.")] = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Bring a trained run up to newer tables without training: products, popularity, holdings, statistics."""
    from nextbest.pipeline.export import export_run
    from nextbest.pipeline.refresh import refresh, start_refresh

    def job(begun: Run) -> int | None:
        refresh(trained, begun)
        return None if models is None else export_run(begun, models, force)

    version = _with_run(lambda progress: start_refresh(trained, config, out, progress), as_json, job)
    text = f"refreshed: {out}" if version is None else f"refreshed: {out}, pushed as version {version} to {models}"
    _print_json({"run": str(out), "pushed": version}) if as_json else typer.echo(text)


@app.command()
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
        _print_json(result.as_json())
        return
    open_console().print(terminal_report(result))
    typer.echo(f"settings: {result.best}, trials: {result.trials}")


@app.command()
def export(
    models: Models,
    out: Annotated[Path | None, typer.Option("--out", help="The trained run whose models are pushed.")] = None,
    force: Force = False,
    list_: Annotated[bool, typer.Option("--list", help="List the versions.")] = False,
    rollback: Annotated[int | None, typer.Option("--rollback", help="Push this older version as the newest.")] = None,
    prune: Annotated[int | None, typer.Option("--prune", min=1, help="Remove all versions but so many.")] = None,
    as_json: Json = False,
) -> None:
    """Push a trained run's models (the last step of `run`), or list, roll back and prune what was pushed."""
    jobs = {"--out": out, "--list": list_ or None, "--rollback": rollback, "--prune": prune}
    asked = [name for name, given in jobs.items() if given is not None]
    if len(asked) != 1:
        raise typer.BadParameter(f"give one of {', '.join(jobs)}; got {' and '.join(asked) or 'none of them'}")
    told: dict[str, Any]
    if out is not None:
        from nextbest.pipeline.export import export_run
        from nextbest.pipeline.run import open_run

        told = {"pushed": _with_run(partial(open_run, out), as_json, partial(export_run, models=models, force=force))}
        text = f"pushed version {told['pushed']} to {models}"
    elif rollback is not None:
        from nextbest.serving.store.push import rollback as push_again

        told = {"pushed": push_again(models, rollback), "rollback_of": rollback}
        text = f"pushed version {told['pushed']} to {models}, a copy of version {rollback}"
    elif prune is not None:
        from nextbest.serving.store.push import prune as remove_older

        told = {"removed": remove_older(models, prune)}
        text = f"removed {', '.join(map(str, told['removed'])) or 'nothing'} from {models}"
    else:
        from nextbest.serving.store.versions import list_versions
        from nextbest.ui.answers import print_versions

        found = list_versions(models)
        _print_json([asdict(version) for version in found]) if as_json else print_versions(found)
        return
    _print_json(told) if as_json else typer.echo(text)


@app.command()
def recommend(
    models: Models,
    customer: Annotated[str, typer.Option("--customer", help="A customer's id, or a CSV or Parquet file.")],
    top: Annotated[int, typer.Option("--top", min=1, help="How many products.")] = 5,
    explain: Annotated[bool, typer.Option("--explain", help="Say which products were refused, and why.")] = False,
    why: Annotated[bool, typer.Option("--why", help="Say what raises and lowers each product's score (SHAP).")] = False,
    max_risk: MaxRisk = None,
    category: Categories = None,
    exclude: Exclude = None,
    backend: Backend = "local",
    client: Client = None,
    as_json: Json = False,
) -> None:
    """Recommend products to one customer, or to the few of a file."""
    import numpy as np

    from nextbest.serving.requests import requests_for_ids, requests_from_file
    from nextbest.ui.answers import print_recommendations, recommendations_as_json

    with _recommender(models, backend, client) as recommender:
        filters = _filters(recommender, max_risk, category, exclude)
        if Path(customer).is_file():
            ids, request = requests_from_file(recommender, Path(customer))
        else:
            ids = np.array([customer], object)
            request = requests_for_ids(recommender, ids)
        found = recommendations_as_json(recommender, ids, request, top, filters, explain, _explainer(recommender, why))
    described = recommender.manifest["products"]["columns"]
    foremost = recommender.manifest["policy"]["category_column"]
    words = [name for name, column in described.items() if column["role"] == "category"]
    about = sorted(words, key=lambda name: name != foremost)[:_ABOUT]
    _print_json(found) if as_json else print_recommendations(found, {name: described[name] for name in about})


@app.command()
def score(
    models: Models,
    customers: Annotated[Path, typer.Option("--customers", help="The customers, CSV or Parquet.")],
    out: Annotated[Path, typer.Option("--out", help="The file to write, .csv or .parquet.")],
    top: Annotated[int, typer.Option("--top", min=1, help="How many products per customer.")] = 10,
    why: WhyColumn = False,
    max_risk: MaxRisk = None,
    category: Categories = None,
    exclude: Exclude = None,
    backend: Backend = "local",
    client: Client = None,
    as_json: Json = False,
) -> None:
    """Recommend to every customer of a file."""
    from nextbest.serving.requests import requests_from_file
    from nextbest.serving.scoring import check_output, score

    check_output(out)
    with _recommender(models, backend, client) as recommender:
        filters, explainer = _filters(recommender, max_risk, category, exclude), _explainer(recommender, why)
        ids, requests = requests_from_file(recommender, customers)
        with shown_progress(as_json) as progress:
            show, done = progress(f"score {len(ids):,} customers"), 0

            def advance(count: int) -> None:
                nonlocal done
                done += count
                show(f"{done:,}", done / max(len(ids), 1))

            written = score(recommender, ids, requests, out, top, filters, advance, explainer)
    summary = {"customers": len(ids), "recommendations": written, "out": str(out)}
    _print_json(summary) if as_json else typer.echo(f"wrote {written:,} recommendations to {out}")


@app.command()
def ui(
    models: Models,
    host: Annotated[str | None, typer.Option("--host", help="The address to listen on; by default 127.0.0.1.")] = None,
    port: Annotated[int | None, typer.Option("--port", min=0, max=65535, help="The port; by default 7860.")] = None,
    auth: Annotated[Path | None, typer.Option("--auth", help="A file of accounts, a line user:password each.")] = None,
    settings: Annotated[Path | None, typer.Option("--page", help="A TOML with the page's settings.")] = None,
    poll: Annotated[float, typer.Option("--poll", min=0.1, help="Seconds between two looks for a new version.")] = 5.0,
    backend: Backend = "local",
    client: Client = None,
) -> None:
    """Open the page on the served models; a version that is pushed meanwhile takes over."""
    from signal import SIGTERM, default_int_handler, signal
    from threading import Event

    from nextbest.data.settings import override_settings
    from nextbest.serving.backends.config import load_client_config
    from nextbest.serving.live import LiveRecommender, open_source
    from nextbest.ui.page.config import load_page_config
    from nextbest.ui.page.server import check_address, open_page

    config = override_settings(load_page_config(settings), {"host": host, "port": port, "auth_file": auth})
    check_address(config.host, config.port)
    signal(SIGTERM, default_int_handler)  # what stops a service must remove the uploads, as Ctrl-C does
    typer.echo(f"loading {models}")
    with suppress(KeyboardInterrupt), LiveRecommender(open_source(models, backend, load_client_config(client))) as live:
        live.start(poll)
        with open_page(live, config) as address:
            typer.echo(f"the page is open at {address} (version {live.version}); Ctrl-C closes it")
            Event().wait()


def main() -> None:
    """Run a command; see `run_command` for how it ends."""
    run_command(app)


if __name__ == "__main__":
    main()

"""The commands that use pushed models: recommend to a few customers, score a file, open the page."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nextbest.data.errors import Problem
from nextbest.serving.language import LANGUAGES
from nextbest.ui.console import CustomersFile, HoldingsFile, Json, Models, ServedModels, print_json, shown_progress

if TYPE_CHECKING:
    from nextbest.serving.insights.reasons import ReasonExplainer
    from nextbest.serving.recommender import Filters, Recommender

__all__ = ["recommend", "score", "ui"]

MaxRisk = Annotated[float | None, typer.Option("--max-risk", help="The highest product risk wanted.")]
Categories = Annotated[list[str] | None, typer.Option("--category", help="A wanted category; repeat for more.")]
Exclude = Annotated[list[str] | None, typer.Option("--exclude", help="A product id to leave out; repeat for more.")]
Backend = Annotated[
    str, typer.Option("--backend", help="Backend: local, or TF Serving: grpc[s]://HOST:PORT, http[s]://HOST:PORT.")
]
Client = Annotated[
    Path | None, typer.Option("--client", help="A TOML for the backend: deadlines, TLS, batches; see docs/settings.md.")
]
AnyAge = Annotated[bool, typer.Option("--any-age", help="Use the models however old their data are.")]
Language = Annotated[str, typer.Option("--language", help=f"Whose words --why uses: {' or '.join(LANGUAGES)}.")]


def recommend(
    models: ServedModels,
    customer: Annotated[str, typer.Option("--customer", help="A customer's id, or a CSV or Parquet file.")],
    top: Annotated[int, typer.Option("--top", min=1, help="How many products.")] = 5,
    explain: Annotated[bool, typer.Option("--explain", help="Say which products are excluded, and why.")] = False,
    why: Annotated[bool, typer.Option("--why", help="Give each product's reasons in a sentence.")] = False,
    language: Language = "en",
    max_risk: MaxRisk = None,
    category: Categories = None,
    exclude: Exclude = None,
    backend: Backend = "local",
    client: Client = None,
    any_age: AnyAge = False,
    as_json: Json = False,
) -> None:
    """Recommend products to one customer, or to the few of a file."""
    import numpy as np

    from nextbest.serving.language import speak
    from nextbest.serving.requests import requests_for_ids, requests_from_file
    from nextbest.ui.answers import print_recommendations, recommendations_as_json

    with speak(language), _recommender(models, backend, client, any_age) as recommender:
        filters = _filters(recommender, max_risk, category, exclude)
        if Path(customer).is_file():
            ids, request = requests_from_file(recommender, Path(customer))
        else:
            ids = np.array([customer], object)
            request = requests_for_ids(recommender, ids)
        explainer = _explainer(recommender, why)
        answers = recommendations_as_json(recommender, ids, request, top, filters, explain, explainer)
    if as_json:
        print_json(answers)
    else:
        print_recommendations(answers, _columns_to_print(recommender))
        typer.echo(str(recommender.age))


_NUM_COLUMNS = 2
"""How many attributes of a product fit beside its scores."""


def _columns_to_print(recommender: Recommender) -> dict[str, Any]:
    """Return the products' columns to print beside the scores, the category first: column -> what the manifest says."""
    described = recommender.manifest["products"]["columns"]
    category_column = recommender.manifest["policy"]["category_column"]
    names = [name for name, column in described.items() if column["role"] == "category"]
    first = sorted(names, key=lambda name: name != category_column)[:_NUM_COLUMNS]
    return {name: described[name] for name in first}


def score(
    models: ServedModels,
    customers: CustomersFile,
    out: Annotated[Path, typer.Option("--out", help="The file to write: .csv, .parquet or .xlsx.")],
    top: Annotated[int, typer.Option("--top", min=1, help="How many products per customer.")] = 10,
    why: Annotated[
        bool,
        typer.Option(
            "--why",
            help="Add a column with the reasons in a sentence. Slow: a second for each customer on 2 cores, and by a "
            "server many.",
        ),
    ] = False,
    language: Language = "en",
    holdings: HoldingsFile = None,
    rejects: Annotated[
        Path | None, typer.Option("--rejects", help="Leave bad rows out, and write them into this CSV file.")
    ] = None,
    max_unknown_ids: Annotated[
        float, typer.Option("--max-unknown-ids", min=0, max=1, help="The share of customers the models may not know.")
    ] = 0.5,
    max_unseen: Annotated[
        float, typer.Option("--max-unseen", min=0, max=1, help="The share of a column's words that may be new to them.")
    ] = 0.5,
    gate: Annotated[
        bool, typer.Option("--gate", help="Score nothing where `nextbest monitor` would raise an alarm; exit code 1.")
    ] = False,
    max_risk: MaxRisk = None,
    category: Categories = None,
    exclude: Exclude = None,
    backend: Backend = "local",
    client: Client = None,
    any_age: AnyAge = False,
    as_json: Json = False,
) -> None:
    """Recommend to every customer of a file; OUT.summary.json says what is strange, OUT.makers.json who made it."""
    from nextbest.serving.input_report import InputLimits, check_input, describe_input
    from nextbest.serving.language import speak
    from nextbest.serving.recommendation_files import check_output, write_rejects, write_summary
    from nextbest.serving.requests import requests_from_file
    from nextbest.serving.scoring import score

    check_output(out, inputs=(customers, holdings))
    with speak(language), _recommender(models, backend, client, any_age) as recommender:
        filters, explainer = _filters(recommender, max_risk, category, exclude), _explainer(recommender, why)
        rejected: list[Problem] | None = None if rejects is None else []
        ids, requests = requests_from_file(recommender, customers, holdings, rejected)
        report = describe_input(recommender, ids, requests)
        check_input(report, InputLimits(max_unknown_ids, max_unseen), customers)
        if gate:
            from nextbest.serving.monitoring.watch import check_gate

            check_gate(recommender, ids, requests)
        with shown_progress(as_json) as progress:
            show, done = progress(f"score {len(ids):,} customers"), 0

            def advance(count: int) -> None:
                nonlocal done
                done += count
                show(f"{done:,}", done / max(len(ids), 1))

            written = score(recommender, ids, requests, out, top, filters, advance, explainer)
        age = recommender.age
    summary = write_summary(out, report, age, written, rejected or ())
    if rejects is not None:
        write_rejects(rejects, rejected or ())
    if as_json:
        print_json({**summary, "out": str(out)})
        return
    if rejected:
        typer.echo(f"{len(rejected):,} rows were left out; {rejects} says why")
    for line in report.lines():
        typer.echo(line)
    by = "ScaNN" if report.index == "scann" else "exact search"
    typer.echo(f"wrote {written:,} recommendations to {out}; candidates by {by}")
    typer.echo(str(age))


def ui(
    models: Models,
    host: Annotated[str | None, typer.Option("--host", help="The address to listen on; by default 127.0.0.1.")] = None,
    port: Annotated[int | None, typer.Option("--port", min=0, max=65535, help="The port; by default 7860.")] = None,
    auth: Annotated[Path | None, typer.Option("--auth", help="A file of accounts, a line user:password each.")] = None,
    settings: Annotated[Path | None, typer.Option("--page", help="A TOML with the page's settings.")] = None,
    poll: Annotated[float, typer.Option("--poll", min=0.1, help="Seconds between two looks for a new version.")] = 5.0,
    backend: Backend = "local",
    client: Client = None,
    any_age: AnyAge = False,
) -> None:
    """Open the page on the served models; a version that is pushed meanwhile takes over."""
    from signal import SIGTERM, default_int_handler, signal
    from threading import Event

    from nextbest.data.settings import override_settings
    from nextbest.serving.backends.config import load_client_config
    from nextbest.serving.live import LiveRecommender, open_source
    from nextbest.ui.page.config import load_page_config
    from nextbest.ui.page.server import check_address, open_page

    options = {"host": host, "port": port, "auth_file": auth, "any_age": any_age or None}
    config = override_settings(load_page_config(settings), options)
    check_address(config.host, config.port)
    signal(SIGTERM, default_int_handler)  # what stops a service must remove the uploads, as Ctrl-C does
    typer.echo(f"loading {models}")
    with suppress(KeyboardInterrupt), LiveRecommender(open_source(models, backend, load_client_config(client))) as live:
        if not config.any_age:
            live.current.age.check(models)
        live.start(poll)
        with open_page(live, config) as address:
            typer.echo(f"the page is open at {address} (version {live.version}); Ctrl-C closes it")
            Event().wait()


@contextmanager
def _recommender(models: str, backend: str, client: Path | None, any_age: bool) -> Iterator[Recommender]:
    from nextbest.serving.backends.config import load_client_config
    from nextbest.serving.recommender import Recommender

    with closing(Recommender.load(models, backend, load_client_config(client))) as recommender:
        if not any_age:
            recommender.age.check(models)
        yield recommender


def _filters(
    recommender: Recommender, max_risk: float | None, categories: list[str] | None, exclude: list[str] | None
) -> Filters:
    from nextbest.serving.recommender import Filters
    from nextbest.serving.requests import check_filters

    filters = Filters(max_risk=max_risk, categories=categories or (), exclude=exclude or ())
    check_filters(recommender, filters)
    return filters


def _explainer(recommender: Recommender, why: bool) -> ReasonExplainer | None:
    """Return what explains the recommendations; None unless it is wanted.

    Raises:
        InputError: The export cannot be explained.
    """
    if not why:
        return None
    from nextbest.data.errors import InputError, Problem
    from nextbest.serving.insights.reasons import SIGNATURE, ReasonExplainer

    if not recommender.has_signature(SIGNATURE):
        what = "it was exported without what --why needs"
        raise InputError([Problem(str(recommender.folder), None, None, what, "export it again, or leave --why out")])
    return ReasonExplainer(recommender)

"""nextbest: a two-stage recommender of a bank customer's next best products.

From a notebook:

    import nextbest

    config = nextbest.simulate_bank("bank")  # or nextbest.infer_config("customers.csv", "products.csv", "events.csv")
    outcome = nextbest.train(config, out="runs/demo", models="models", progress=print)

    bank = nextbest.load("models")
    table = nextbest.recommend(bank, ["C000001"], top=5, filters=nextbest.Filters(max_risk=3))
    nextbest.score(bank, "bank/customers.csv", "scores.parquet")

A path is a `str` or a `Path`. Bad input raises `InputError`, which lists all its problems. Importing this loads nothing
heavy: a function imports what it needs when it is called. `load`, `recommend` and `score` need NumPy, pyarrow, pydantic
and TensorFlow alone; the others need extras, `pip install 'nextbest[all]'` for all of them.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from nextbest.data.errors import FailedError, InputError, MissingPackageError, explain_missing_packages

if TYPE_CHECKING:
    import pyarrow as pa

    from nextbest.data.tables.infer_config import Inference
    from nextbest.evaluation.results import Evaluation
    from nextbest.modelling.training import Progress
    from nextbest.pipeline.backtest_result import Backtest
    from nextbest.pipeline.config import RunConfig as Config
    from nextbest.pipeline.forget import Forgotten
    from nextbest.pipeline.run_all import Outcome
    from nextbest.pipeline.verify import Verification
    from nextbest.serving.insights.reasons import ProductReasons
    from nextbest.serving.monitoring.checks import Limits
    from nextbest.serving.monitoring.watch import MonitoringReport
    from nextbest.serving.recommender import Filters, Recommendations, Recommender

    __version__: str

# TensorFlow Recommenders refuses Keras 3, and TensorFlow reads both when it is imported: so they are set before any
# module of ours can import it.
os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # a machine without a GPU is no error; failures still raise


class _KerasLater(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Keeps Keras from being imported with TensorFlow, which takes a quarter less time then.

    Only training needs Keras, and TensorFlow imports it when it is first asked for.
    """

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        tensorflow = sys.modules.get("tensorflow")
        if name != "tf_keras" or tensorflow is None or not getattr(tensorflow.__spec__, "_initializing", False):
            return None
        if (found := importlib.machinery.PathFinder.find_spec(name, path)) is not None:
            found.loader = self
        return found

    def exec_module(self, module: ModuleType) -> None:
        raise ImportError("Keras is imported when it is asked for", name=module.__name__)


sys.meta_path.insert(0, _KerasLater())

__all__ = [
    "Backtest",
    "Config",
    "Evaluation",
    "FailedError",
    "Filters",
    "Forgotten",
    "InputError",
    "Limits",
    "MissingPackageError",
    "MonitoringReport",
    "Outcome",
    "ProductReasons",
    "Recommendations",
    "Recommender",
    "Verification",
    "__version__",
    "backtest",
    "evaluate",
    "explain",
    "forget",
    "infer_config",
    "load",
    "monitor",
    "read_config",
    "recommend",
    "refresh",
    "score",
    "simulate_bank",
    "train",
    "verify",
]

_CLASSES = {
    "Backtest": ("nextbest.pipeline.backtest_result", "Backtest"),
    "Config": ("nextbest.pipeline.config", "RunConfig"),
    "Evaluation": ("nextbest.evaluation.results", "Evaluation"),
    "Filters": ("nextbest.serving.recommender", "Filters"),
    "Forgotten": ("nextbest.pipeline.forget", "Forgotten"),
    "Limits": ("nextbest.serving.monitoring.checks", "Limits"),
    "MonitoringReport": ("nextbest.serving.monitoring.watch", "MonitoringReport"),
    "Outcome": ("nextbest.pipeline.run_all", "Outcome"),
    "ProductReasons": ("nextbest.serving.insights.reasons", "ProductReasons"),
    "Recommendations": ("nextbest.serving.recommender", "Recommendations"),
    "Recommender": ("nextbest.serving.recommender", "Recommender"),
    "Verification": ("nextbest.pipeline.verify", "Verification"),
}
"""Public name -> the module that defines it and its name there, imported when it is first used."""

if not TYPE_CHECKING:  # a checker would otherwise let any name pass

    def __getattr__(name: str) -> Any:
        if name == "__version__":
            from importlib.metadata import version

            value = version("nextbest")
        elif name in _CLASSES:
            module, attribute = _CLASSES[name]
            with explain_missing_packages():
                value = getattr(importlib.import_module(module), attribute)
        else:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted(__all__)


@explain_missing_packages()
def simulate_bank(out: str | Path, customers: int = 10_000, products: int = 120, seed: int = 7) -> Path:
    """Simulate a bank: three tables, the TOML that describes them, and the best possible recommendations.

    Args:
        out: The folder to make; it may exist if it is empty.
        customers: How many customers.
        products: How many products, at least 20.
        seed: The same seed gives the same bank.

    Returns:
        The path of the TOML.

    Raises:
        FileExistsError: `out` holds something already.
    """
    from nextbest.data.bank import BankConfig, simulate_bank

    return simulate_bank(BankConfig(customers=customers, products=products, seed=seed), Path(out))


@explain_missing_packages()
def infer_config(
    customers: str | Path,
    products: str | Path,
    interactions: str | Path,
    out: str | Path = "nextbest.toml",
    look: Callable[[Inference], Inference] | None = None,
    queries: Mapping[str, str] | None = None,
) -> Path:
    """Guess what three tables mean, and write it as a TOML for a person to correct.

    What the tables leave open is written as "?", with the question above it; a run asks for the answer first.

    Args:
        customers: The customers: a CSV or Parquet file, a folder of such or a pattern, here or at an address such as
            s3://bank/customers/, or a database's SQLAlchemy URL.
        products: The products.
        interactions: The dated interactions.
        out: The TOML to write; the paths in it are relative to its folder.
        look: Sees what was found, its doubts and its questions, before it is written, and may answer.
        queries: Of tables in a database, the query: customers, products or interactions -> SQL.

    Returns:
        The path of the TOML.

    Raises:
        InputError: The tables have problems, or there is such a file already.
    """
    from nextbest.data.errors import Problem
    from nextbest.data.tables.columns import table_at
    from nextbest.data.tables.infer_config import infer_config
    from nextbest.data.tables.write_config import write_toml
    from nextbest.pipeline.config import CHANGED_MOST, RunConfig

    toml = Path(out)
    if toml.exists():
        raise InputError([Problem(str(toml), None, None, "the file is there already", "name another file to write")])
    folder, queries = toml.parent.resolve(), queries or {}
    found = infer_config(
        table_at(customers, folder, queries.get("customers")),
        table_at(products, folder, queries.get("products")),
        table_at(interactions, folder, queries.get("interactions")),
        folder,
    )
    if look is not None:
        found = look(found)
    write_toml(found.config, toml, RunConfig, CHANGED_MOST, found.questions)
    return toml


@explain_missing_packages()
def read_config(path: str | Path) -> Config:
    """Read the TOML of a run: what the tables mean and how models are made of them, with all defaults.

    Raises:
        InputError: It is missing, is not valid TOML, or has problems.
    """
    from nextbest.pipeline.config import load_config

    return load_config(Path(path))


@explain_missing_packages()
def train(
    config: str | Path,
    out: str | Path,
    models: str | Path | None = None,
    *,
    force: bool = False,
    why: str | None = None,
    progress: Callable[[str], object] | None = None,
) -> Outcome:
    """Train retrieval and ranking, measure both, refresh them to the newest day and push them: `nextbest run`.

    Args:
        config: The TOML that describes the tables.
        out: The run's folder; a killed run goes on when it is named again.
        models: Push the models here; without it none are pushed.
        force: Push models that are not approved too.
        why: Why they are pushed, for the record.
        progress: Called with the name of each step as it begins, for example `print`.

    Returns:
        The evaluation, the last day that what is served knows, and the version that was pushed or the reason why none
        was: models that are not good enough are not pushed.

    Raises:
        InputError: The config or the tables have problems, or `out` holds something else.
    """
    from nextbest.data.remote import as_folder
    from nextbest.pipeline.run import start_run
    from nextbest.pipeline.run_all import run_all

    target = None if models is None else as_folder(models)
    return run_all(start_run(Path(config), as_folder(out), _begin_step(progress)), target, force, why)


@explain_missing_packages()
def evaluate(out: str | Path, *, progress: Callable[[str], object] | None = None) -> Evaluation:
    """Return what a trained run's models achieve on its test window; it is measured once and then read.

    Args:
        out: The run's folder.
        progress: As for `train`.

    Raises:
        InputError: `out` holds no trained run, or its tables have changed.
    """
    from nextbest.pipeline.evaluate import evaluate_run
    from nextbest.pipeline.run import open_run

    return evaluate_run(open_run(Path(out), _begin_step(progress)))


@explain_missing_packages()
def backtest(
    config: str | Path,
    out: str | Path,
    cutoffs: int = 4,
    every: int | None = None,
    *,
    progress: Callable[[str], object] | None = None,
) -> Backtest:
    """Train and measure at the config's test cutoff and earlier ones: `nextbest backtest`.

    Args:
        config: The TOML that describes the tables.
        out: The folder of all its runs; a killed one goes on when it is named again.
        cutoffs: How many.
        every: Days from one to the next; by default the horizon.
        progress: As for `train`.

    Raises:
        InputError: The config or the tables have problems, or do not reach back far enough.
    """
    from nextbest.pipeline.backtest import backtest

    return backtest(Path(config), Path(out), cutoffs, every, _begin_step(progress))


@explain_missing_packages()
def verify(
    run: str | Path, out: str | Path | None = None, *, progress: Callable[[str], object] | None = None
) -> Verification:
    """Train a run once more from what its folder says, and compare all its metrics: `nextbest verify`.

    Args:
        run: The run's folder.
        out: The new run's folder, RUN-verified by default; a killed one goes on when it is named again.
        progress: As for `train`.

    Raises:
        InputError: `run` is no trained and measured run, or its config or tables have changed since.
    """
    from nextbest.pipeline.verify import verify

    return verify(Path(run), None if out is None else Path(out), _begin_step(progress))


@explain_missing_packages()
def refresh(
    trained: str | Path,
    config: str | Path,
    out: str | Path,
    models: str | Path | None = None,
    *,
    force: bool = False,
    why: str | None = None,
    progress: Callable[[str], object] | None = None,
) -> int | None:
    """Bring a trained run up to newer tables without training: products, popularity, holdings, statistics.

    Args:
        trained: The folder of the trained run.
        config: The TOML of the newer tables.
        out: The new run's folder.
        models: As for `train`.
        force: As for `train`.
        why: As for `train`.
        progress: As for `train`.

    Returns:
        The version that was pushed; None without `models`.

    Raises:
        InputError: The config or the tables have problems, or the trained weights do not fit them.
        FailedError: The models are not good enough to be pushed.
    """
    from nextbest.data.remote import as_folder
    from nextbest.pipeline.export import export_run
    from nextbest.pipeline.refresh import refresh, start_refresh

    target = None if models is None else as_folder(models)
    run = start_refresh(Path(trained), Path(config), as_folder(out), _begin_step(progress))
    refresh(Path(trained), run)
    return None if target is None else export_run(run, target, force, why)


@explain_missing_packages()
def load(models: str | Path, backend: str = "local", client: str | Path | None = None) -> Recommender:
    """Load the newest models that were pushed, or let a TF Serving answer for those that it serves.

    Args:
        models: The folder that models are pushed to, or a copy of it at an address such as s3://bank/models.
        backend: 'local', or a server's URL, grpc[s]://HOST:PORT or http[s]://HOST:PORT.
        client: A TOML with deadlines, TLS and batches for a server.

    Raises:
        FileNotFoundError: No model was pushed there.
        InputError: The URL or the TOML has problems.
    """
    from nextbest.serving.recommender import Recommender

    if backend == "local":
        return Recommender.load(models)
    from nextbest.serving.backends.config import load_client_config

    return Recommender.load(models, backend, load_client_config(None if client is None else Path(client)))


@explain_missing_packages()
def recommend(
    recommender: Recommender,
    customers: Sequence[str | int] | str | Path,
    top: int = 5,
    filters: Filters | None = None,
    *,
    holdings: str | Path | None = None,
    any_age: bool = False,
) -> pa.Table:
    """Recommend products to some customers.

    Args:
        recommender: What `load` returned.
        customers: A list of ids that the models know, or the path of a CSV or Parquet file with the customers' columns.
        top: How many products per customer at most.
        filters: Narrow the result.
        holdings: As for `score`.
        any_age: Recommend however old the data are; `recommender.age` says it.

    Returns:
        A row per recommendation, best first: customer_id, rank, product_id, probability, similarity, retrieval_rank.
        The probability is null for whom the models do not know, nor what is held. pandas has it by `.to_pandas()`.

    Raises:
        InputError: An id, the file or a filter has problems, or the data are older than `export.max_age_days`.
    """
    from nextbest.serving.arguments import as_count
    from nextbest.serving.recommendation_files import recommendation_table
    from nextbest.serving.requests import of_unknown_holdings

    most = as_count("top", top)
    _check_age(recommender, any_age)
    ids, request = _read_customers(recommender, customers, filters, holdings)
    hidden = of_unknown_holdings(recommender, ids, request)
    return recommendation_table(ids, recommender.recommend(request, most, filters).hide_probability(hidden))


@explain_missing_packages()
def explain(
    recommender: Recommender,
    customer: str | int,
    products: Sequence[str | int] = (),
    top: int = 5,
    filters: Filters | None = None,
    *,
    any_age: bool = False,
) -> tuple[ProductReasons, ...]:
    """Give the reasons of one customer's recommendations, or of some products: by what a person knows of the customer.

    Each has at most three sentences, the effects of at most ten groups in percentage points, and a `shap.Explanation`,
    which `shap.plots.waterfall` draws.

    Args:
        recommender: What `load` returned.
        customer: An id that the models know.
        products: The products' ids; without any those that are recommended.
        top: How many are recommended at most.
        filters: Narrow the recommendation.
        any_age: As for `recommend`.

    Raises:
        InputError: An id or a filter has problems, or the data are too old.
        FailedError: The models were exported without what reasons need.
        MissingPackageError: The package shap is not installed.
    """
    from nextbest.serving.arguments import as_count, as_ids
    from nextbest.serving.insights.reasons import ReasonExplainer

    most = as_count("top", top)
    _check_age(recommender, any_age)
    _, request = _read_customers(recommender, [customer], filters)
    if products:
        chosen = as_ids("products", products)
    else:
        found = recommender.recommend(request, most, filters)
        chosen = found.product_id[0, : found.count[0]]
    return ReasonExplainer(recommender).reasons(request, chosen)


@explain_missing_packages()
def score(
    recommender: Recommender,
    customers: Sequence[str | int] | str | Path,
    out: str | Path,
    top: int = 10,
    filters: Filters | None = None,
    *,
    why: bool = False,
    holdings: str | Path | None = None,
    max_unknown_ids: float = 0.5,
    max_unseen: float = 0.5,
    gate: bool = False,
    any_age: bool = False,
) -> int:
    """Recommend products to many customers, into a file, with a summary beside it, OUT.summary.json.

    By what it was made stands in OUT.makers.json: version, digests of weights and rules, the data's last day, the time.

    Args:
        recommender: What `load` returned.
        customers: As for `recommend`.
        out: The file to write, .csv, .parquet or .xlsx, with the columns that `recommend` returns.
        top: How many products per customer at most.
        filters: Narrow the result.
        why: Add a column with the reasons in a sentence; slow, about a second for each customer.
        holdings: A file of what the customers of a file hold, a row each: the customer's id, `product_id` and perhaps
            the day, `since`; in place of what the models know.
        max_unknown_ids: The share of customers whom the models may not know.
        max_unseen: The share of a column's words that the models may never have seen.
        gate: Score nothing where `monitor` would raise an alarm.
        any_age: As for `recommend`.

    Returns:
        How many recommendations were written.

    Raises:
        InputError: An id, a file or a filter has problems, too much is unknown, or the data are too old; nothing is
            written then.
        FailedError: The gate is closed; nothing is written.
    """
    from nextbest.serving.arguments import as_count
    from nextbest.serving.input_report import InputLimits, check_input, describe_input
    from nextbest.serving.insights.reasons import ReasonExplainer
    from nextbest.serving.recommendation_files import check_output, write_summary
    from nextbest.serving.scoring import score

    most = as_count("top", top)
    _check_age(recommender, any_age)
    check_output(Path(out), inputs=(customers, holdings))
    ids, request = _read_customers(recommender, customers, filters, holdings)
    report = describe_input(recommender, ids, request)
    source = customers if isinstance(customers, str | Path) else recommender.folder
    check_input(report, InputLimits(max_unknown_ids, max_unseen), source)
    if gate:
        from nextbest.serving.monitoring.watch import check_gate

        check_gate(recommender, ids, request)
    explainer = ReasonExplainer(recommender) if why else None
    written = score(recommender, ids, request, Path(out), most, filters, explainer=explainer)
    write_summary(Path(out), report, recommender.age, written)
    return written


@explain_missing_packages()
def monitor(
    recommender: Recommender,
    customers: Sequence[str | int] | str | Path,
    outcomes: str | Path | None = None,
    *,
    holdings: str | Path | None = None,
    as_of: date | None = None,
    limits: Limits | None = None,
) -> MonitoringReport:
    """Compare customers, their scores and what came since with the training's statistics: `nextbest monitor`.

    Args:
        recommender: What `load` returned.
        customers: As for `recommend`.
        outcomes: A table of interactions, written as the run's config describes them: what came since.
        holdings: As for `score`.
        as_of: The day of the customers; by default the export's cutoff.
        limits: What matters, beyond usual change.

    Returns:
        All that was compared; `alarms` are the checks out of their limits.

    Raises:
        InputError: An id or a file has problems, or the export has no statistics.
    """
    from nextbest.data.windows import day_of
    from nextbest.serving.monitoring.watch import load_outcomes, watch

    ids, requests = _read_customers(recommender, customers, None, holdings)
    events = None if outcomes is None else load_outcomes(recommender, ids, outcomes)
    return watch(recommender, ids, requests, events, None if as_of is None else day_of(as_of), limits=limits)


@explain_missing_packages()
def forget(
    customers: Sequence[str | int],
    models: str | Path,
    runs: Sequence[str | Path] = (),
    *,
    dry_run: bool = False,
) -> Forgotten:
    """Remove customers from all versions and runs, and search their files for the ids: `nextbest forget`.

    Weights that were learnt from the customers stay, and the bank's own tables too.

    Args:
        customers: The customers' ids.
        models: The folder of the served models.
        runs: Folders of runs, or folders that hold such.
        dry_run: Only say what would go.

    Returns:
        What was removed from where, what was searched, and which files hold an id yet.

    Raises:
        InputError: An id is empty, or a folder is not there.
        FailedError: Another process works on a version; try again when it has ended.
    """
    from nextbest.data.remote import as_folder
    from nextbest.pipeline.forget import forget
    from nextbest.serving.arguments import as_ids

    ids = [str(one) for one in as_ids("customers", customers)]
    return forget(ids, as_folder(models), [as_folder(run) for run in runs], dry_run=dry_run)


def _check_age(recommender: Recommender, any_age: bool) -> None:
    if not any_age:
        recommender.age.check(recommender.folder, "any_age=True")


def _begin_step(progress: Callable[[str], object] | None) -> Callable[[str], Progress]:
    """Return what the pipeline calls with a step's name; how far the step is, is not reported."""

    def begin(step: str) -> Progress:
        if progress is not None:
            progress(step)
        return lambda doing, share: None

    return begin


def _read_customers(
    recommender: Recommender,
    customers: Sequence[str | int] | str | Path,
    filters: Filters | None,
    holdings: str | Path | None = None,
) -> tuple[Any, Any]:
    """Return ids and raw requests, once the filters have been checked."""
    from nextbest.serving.arguments import as_ids
    from nextbest.serving.requests import check_filters, read_holdings, requests_for_ids, requests_from_file

    if filters is not None:
        check_filters(recommender, filters)
    if isinstance(customers, str | Path):
        return requests_from_file(recommender, customers, holdings)
    ids = as_ids("customers", customers)
    known = requests_for_ids(recommender, ids)
    return ids, known if holdings is None else known | read_holdings(recommender, holdings, ids)

"""What it costs to keep columns of customers from the models: the same runs with and without, customer by customer.

    python -m benchmarks.protected nextbest.toml --out protected --seeds 0 1 2

Without `--columns` they are those with `protected = true`, or else those whose names tell of a protected attribute.
What was found is written beside the TOML, into protected_cost.json, from where the next export's model card has it.
Finished runs are kept in OUT.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nextbest.data.config import EntityConfig
from nextbest.data.dataset import Array
from nextbest.data.errors import InputError, Problem
from nextbest.data.files import write_text
from nextbest.data.tables.words import is_named
from nextbest.data.tables.write_config import toml_value
from nextbest.evaluation.evaluate import rank_all
from nextbest.evaluation.intervals import BootstrappedMetrics
from nextbest.evaluation.results import Interval, ProtectedCost
from nextbest.evaluation.test_set import TestSet
from nextbest.modelling.metrics import per_customer
from nextbest.modelling.training import Progress
from nextbest.pipeline.config import RunConfig, load_config
from nextbest.pipeline.evaluate import load_exported, make_test_set
from nextbest.pipeline.model_card import PROTECTED_COST
from nextbest.pipeline.run import Run, begin_run
from nextbest.pipeline.run_all import train_and_compose
from nextbest.pipeline.run_folder import RunFolder

__all__ = ["choose_columns", "measure_cost", "protected_config"]


def choose_columns(config: RunConfig, toml: Path, wanted: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the columns that are left out: those wanted, else the protected ones, else those protected by name.

    Raises:
        InputError: There are none, or one is not there, or is the segment.
    """
    columns, segment = config.data.customers.columns, config.data.segment
    stated = [name for name, column in columns.items() if column.protected]
    named = [name for name, column in columns.items() if is_named(name, "protected") and column.protected is None]
    chosen = tuple(wanted or stated or named)
    problems = [
        Problem(str(toml), name, None, "customers have no such column", f"choose from {', '.join(columns)}")
        for name in chosen
        if name not in columns
    ]
    if not chosen:
        problems.append(Problem(str(toml), None, None, "no column is protected", "name some with --columns"))
    if segment in chosen:
        what = "the ranker reads what is popular in a segment, so that it cannot be left out"
        problems.append(Problem(str(toml), "data.segment", None, what, "remove it from the TOML, or the column here"))
    if problems:
        raise InputError(problems)
    return chosen


def protected_config(config: RunConfig, columns: Sequence[str], protected: bool, seed: int) -> RunConfig:
    """Return a run's config where these columns are protected or read, and nothing else differs but the seed."""
    customers: EntityConfig = config.data.customers
    changed = {name: customers.columns[name].model_copy(update={"protected": protected}) for name in columns}
    customers = customers.model_copy(update={"columns": customers.columns | changed})
    data = config.data.model_copy(update={"customers": customers})
    return config.model_copy(update={"data": data, "seed": seed})


def measure_cost(toml: Path, out: Path, columns: Sequence[str] = (), seeds: Sequence[int] = (0,)) -> ProtectedCost:
    """Train with the columns and without, compare both rankings on the same customers, and write what is found.

    Args:
        toml: The config of the run.
        out: The folder of all runs.
        columns: See `choose_columns`.
        seeds: Each trains both; a customer's metric is the mean over them.

    Raises:
        InputError: The config, the tables or the columns have problems.
    """
    config = load_config(toml)
    columns = choose_columns(config, toml, columns)
    values: dict[str, list[Array]] = {"read": [], "protected": []}
    first: Run | None = None
    for seed in seeds:
        for name, found in values.items():
            changed = protected_config(config, columns, name == "protected", seed)
            run = Run(changed, toml.parent.resolve(), RunFolder(out / f"{name}-{seed}"), _show, first)
            first = first or run
            text = "".join(f"{key} = {toml_value(value)}\n" for key, value in _written(changed).items())
            write_text(out / f"{name}-{seed}.toml", text)
            begin_run(run, out / f"{name}-{seed}.toml")
            train_and_compose(run)
            found.append(_ranking_values(run))
    assert first is not None
    _, _, test_set = make_test_set(first)
    cost = _compare(columns, config, test_set, values, tuple(seeds))
    write_text(toml.parent / PROTECTED_COST, cost.model_dump_json(indent=2) + "\n")
    return cost


def _written(config: RunConfig) -> dict[str, object]:
    return config.model_dump(exclude_defaults=True, exclude_none=True)


def _ranking_values(run: Run) -> Array:
    """Return the served order's main metric of each test customer, [n]."""
    snapshot, _, test_set = make_test_set(run)
    _, ranking = load_exported(run, snapshot)
    evaluation = run.config.evaluation
    lists, _ = rank_all({"ranking": ranking}, test_set, evaluation)
    return per_customer(lists["ranking"], test_set.relevant, evaluation.ks)[evaluation.main_metric]


def _compare(
    columns: Sequence[str], config: RunConfig, test_set: TestSet, values: dict[str, list[Array]], seeds: tuple[int, ...]
) -> ProtectedCost:
    metric = config.evaluation.main_metric
    means = {name: {metric: np.mean(found, axis=0)} for name, found in values.items()}
    bootstrapped = BootstrappedMetrics.from_values(means, config.evaluation)
    found = bootstrapped.differences("protected", "read")[metric]
    each = [float(np.mean(without - with_)) for without, with_ in zip(values["protected"], values["read"], strict=True)]
    intervals = bootstrapped.intervals()
    return ProtectedCost(
        columns=tuple(columns),
        metric=metric,
        customers=len(test_set),
        cutoff=test_set.cutoff,
        seeds=seeds,
        read=intervals["read"][metric],
        protected=intervals["protected"][metric],
        difference=Interval(value=found.difference, low=found.low, high=found.high),
        seed_spread=float(np.std(each, ddof=1)) if len(each) > 1 else None,
    )


def _show(step: str) -> Progress:
    print(step, file=sys.stderr, flush=True)
    return lambda what, share: None


def main() -> None:
    """Measure, and print what was found."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.protected", description=__doc__)
    parser.add_argument("config", type=Path, help="the TOML of a run")
    parser.add_argument("--out", type=Path, required=True, help="the folder of all runs")
    parser.add_argument("--columns", nargs="+", default=(), help="the columns that are left out")
    parser.add_argument("--seeds", nargs="+", type=int, default=(0, 1, 2), help="each trains with and without")
    given = parser.parse_args()
    try:
        cost = measure_cost(given.config, given.out, given.columns, given.seeds)
    except InputError as error:
        print(error, file=sys.stderr)
        raise SystemExit(2) from None
    print(cost.text)


if __name__ == "__main__":
    main()

"""What a refresh costs: a model trained a horizon ago and refreshed, beside one trained anew on the same day.

python -m benchmarks.refresh_cost --config TOML [--seed N ...] --out DIR

At the config's test cutoff t, by what the same customers newly acquired after it:

- anew: trained on all until t. This is what `nextbest run` measures.
- refreshed: trained on all until t less a horizon, then refreshed to t. This is what is served a horizon after a run.
- as trained: that model without the refresh. It is asked with what the customers hold at t, as a bank's own system may.

What is there is not done again.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np

from nextbest.data.files import write_text
from nextbest.evaluation.evaluate import rank_all
from nextbest.evaluation.intervals import BootstrappedMetrics
from nextbest.evaluation.results import Difference, Interval
from nextbest.modelling.metrics import per_customer
from nextbest.modelling.training import Progress
from nextbest.pipeline.config import set_in_toml
from nextbest.pipeline.evaluate import ExportedRecommender, Requests, make_test_set
from nextbest.pipeline.refresh import refresh, start_refresh
from nextbest.pipeline.run import Run, start_run
from nextbest.pipeline.run_all import train_and_compose
from nextbest.serving.recommender import Recommender

ANEW, REFRESHED, AS_TRAINED = "anew", "refreshed", "as trained"


@dataclass(frozen=True)
class Cost:
    """What was measured of one seed."""

    models: Mapping[str, Interval]
    """Model -> the main metric."""
    refresh: Difference
    """Refreshed less anew."""
    without: Difference
    """As trained less refreshed."""


def measure(config: Path, out: Path, seed: int) -> Cost:
    """Train both models with one seed, refresh the older one, and compare them.

    Args:
        config: A run's TOML.
        out: A folder for this seed.
        seed: Of both trainings.
    """
    toml = _written(config, f"seed {seed}", {"seed": seed})
    anew = start_run(toml, out / ANEW, _say)
    train_and_compose(anew)
    older = start_run(_older(toml, anew), out / AS_TRAINED, _say)
    train_and_compose(older)
    refreshed = start_refresh(older.folder.root, toml, out / REFRESHED, _say)
    refresh(older.folder.root, refreshed)
    return compare(anew, refreshed, older)


def _older(toml: Path, run: Run) -> Path:
    """Write the TOML of a run whose training ends a horizon earlier, and whose test window is as long."""
    windows = run.config.data.windows
    cutoff = run.windows.test.dates[0] - timedelta(days=windows.horizon_days)
    days = run.windows.test.until - run.windows.test.cutoff
    return _written(toml, "older", {"data.windows.test_cutoff": cutoff, "data.windows.test_days": days})


def compare(anew: Run, refreshed: Run, older: Run) -> Cost:
    """Measure three runs' models on the test window of the first, customer by customer."""
    snapshot, _, test_set = make_test_set(anew)
    config, products = anew.config.evaluation, anew.history.products
    scorers = {}
    for name, run in ((ANEW, anew), (REFRESHED, refreshed), (AS_TRAINED, older)):
        recommender = Recommender(run.folder.path("recommender"))
        requests = Requests(recommender, snapshot, products.ids)
        scorers[name] = ExportedRecommender(recommender, requests, products, max(config.ks))
    lists, _ = rank_all(scorers, test_set, config)
    metric = config.main_metric
    found = {name: {metric: per_customer(one, test_set.relevant, config.ks)[metric]} for name, one in lists.items()}
    bootstrapped = BootstrappedMetrics.from_values(found, config)
    return Cost(
        {name: values[metric] for name, values in bootstrapped.intervals().items()},
        bootstrapped.differences(REFRESHED, ANEW)[metric],
        bootstrapped.differences(AS_TRAINED, REFRESHED)[metric],
    )


def table(found: Mapping[int, Cost]) -> str:
    """Return the seeds' figures as Markdown, with the mean of their differences where there are several."""
    lines = [
        f"| seed | {ANEW} | {REFRESHED} | {AS_TRAINED} | {REFRESHED} less {ANEW} | {AS_TRAINED} less {REFRESHED} |",
        "|---|---|---|---|---|---|",
    ]
    for seed, cost in found.items():
        values = [f"{cost.models[name].value:.4f}" for name in (ANEW, REFRESHED, AS_TRAINED)]
        lines.append(f"| {' | '.join([str(seed), *values, _shown(cost.refresh), _shown(cost.without)])} |")
    if len(found) > 1:
        means = [_mean([getattr(cost, name).difference for cost in found.values()]) for name in ("refresh", "without")]
        lines.append(f"| mean | | | | {' | '.join(means)} |")
    return "\n".join(lines) + "\n"


def _shown(found: Difference) -> str:
    return f"{found.difference:+.4f} [{found.low:+.4f}, {found.high:+.4f}]"


def _mean(differences: Sequence[float]) -> str:
    """Return a mean over seeds with its standard error."""
    error = np.std(differences, ddof=1) / len(differences) ** 0.5
    return f"{np.mean(differences):+.4f} ± {error:.4f}"


def _written(config: Path, name: str, settings: Mapping[str, Any]) -> Path:
    """Write a TOML with other settings beside it, where its relative paths hold, and return the file."""
    path = config.with_name(f"{config.stem} {name}.toml")
    write_text(path, set_in_toml(config.read_text(encoding="utf-8"), settings))
    return path


def _say(step: str) -> Progress:
    print(step, flush=True)
    return lambda what, share: None


def main() -> None:
    """Measure the seeds, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--seed", type=int, action="append", help="repeat for more; by default 0")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    found = {seed: measure(arguments.config, arguments.out / str(seed), seed) for seed in arguments.seed or [0]}
    write_text(arguments.out / "refresh_cost.md", table(found))
    print(table(found))


if __name__ == "__main__":
    main()

"""What the parts are worth: the benchmark without each of them in turn, split by split beside the whole."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.fartrans.report import Section
from benchmarks.fartrans.results import Metrics, Table, read_results
from benchmarks.fartrans.run import Settings, run
from nextbest.data.errors import InputError, Problem
from nextbest.data.files import write_text

__all__ = ["ABLATIONS", "Ablation", "ablate", "ablation_table", "changed_template"]

_MODELS = ("retrieval", "ranking")
_METRIC = "ndcg@10"


@dataclass(frozen=True)
class Ablation:
    """The benchmark without one part."""

    text: str
    """What is missing."""
    changes: Mapping[tuple[str, str], str | None]
    """(section, key) of the config -> the TOML value that removes the part; None removes the key."""


ABLATIONS: Mapping[str, Ablation] = {
    "trend": Ablation("the ranker does not start from the trend", {("ranking", "trend_prior"): "0.0"}),
    "votes": Ablation(
        "the ranker starts from the cosine and the trend alone",
        {("ranking", "similarity_prior"): "10.0", ("ranking", "votes_prior"): "0.0"},
    ),
    "saturation": Ablation("votes add up, however many say the same", {("ranking", "votes_saturation"): "0.0"}),
    "prior": Ablation(
        "the ranker starts from nothing",
        {
            ("ranking", "similarity_prior"): "0.0",
            ("ranking", "votes_prior"): "0.0",
            ("ranking", "trend_prior"): "0.0",
        },
    ),
    "correction": Ablation(
        "the ranker learns no correction of where it starts", {("ranking", "learning_rate"): "1e-12"}
    ),
    "pairs": Ablation(
        "the ranker knows nothing of which products go together, neither by votes nor as features",
        {("statistics", "pairs"): "[]", ("ranking", "similarity_prior"): "10.0"},
    ),
    "popularity": Ablation(
        "both stages know the popularity of the last day alone, and the ranker starts without a trend",
        {("statistics", "popularity_days"): "[1]", ("ranking", "trend_prior"): "0.0"},
    ),
    "min-holdings": Ablation(
        "customers who hold nothing yet are training examples too", {("data.windows", "min_holdings"): "0"}
    ),
    "windows": Ablation("the ranker learns from the last window alone", {("data.windows", "ranking_windows"): "1"}),
    "ids": Ablation("the ranker has no embedding of the product's id", {("ranking", "product_dim"): "0"}),
    "customer-columns": Ablation(
        "no customer has a risk level or an investment capacity",
        {("data.customers.columns", name): None for name in ("risk_level", "investment_capacity")},
    ),
    "product-columns": Ablation(
        "of the products' columns there are the category and what may be offered alone",
        {
            ("data.products.columns", name): None
            for name in ("name", "subcategory", "sector", "industry", "market", "market_country", "market_class")
        },
    ),
    "members": Ablation("there is one pair of towers", {("retrieval", "num_tower_pairs"): "1"}),
    "averaging": Ablation("the towers keep the last step's weights", {("retrieval", "averaging"): "0.0"}),
    "recency-weights": Ablation(
        "old examples teach the towers as much as new ones", {("retrieval", "recency_half_life_days"): "1e6"}
    ),
    # Not 0: before the first dated purchases the towers would have nothing to learn from.
    "leave-one-out": Ablation(
        "what is held counts a twentieth in the towers' training, beside dated purchases",
        {("retrieval", "leave_one_out"): "0.05"},
    ),
}
"""Folder -> what is left out there."""


def changed_template(template: str, changes: Mapping[tuple[str, str], str | None]) -> str:
    """Return a config with other values; a key that its section does not have yet comes first in it, one of None goes.

    Raises:
        InputError: A section is not there.
    """
    for (section, key), value in changes.items():
        head, found, rest = template.partition(f"[{section}]\n")
        if not found:
            raise InputError(
                [Problem("template", section, None, "there is no such section", "add it, or fix the name")]
            )
        body, above_next, others = rest.partition("\n[")
        line = "" if value is None else f"{key} = {value}\n"
        assignment = re.compile(rf"^{re.escape(key)} = .*\n?", re.MULTILINE)
        body = assignment.sub(line, body) if assignment.search(body) else line + body
        template = head + found + body + above_next + others
    return template


def ablate(whole: Settings, splits: Sequence[int], jobs: int, say: Callable[[str], None]) -> list[str]:
    """Train and measure without each part; what is done is not done again.

    Args:
        whole: The settings of the benchmark with all parts, with the folder of the ablations as `out`.
        splits: Which, each trained again.
        jobs: How many processes run side by side.
        say: Called with a line about each task that ended.

    Returns:
        Which tasks failed.

    Raises:
        InputError: See `benchmarks.fartrans.run.run`.
    """
    failed = []
    for name, ablation in ABLATIONS.items():
        template = whole.out / f"{name}.toml.in"
        write_text(template, changed_template(whole.template.read_text(encoding="utf-8"), ablation.changes))
        settings = whole.model_copy(update={"template": template, "out": whole.out / name})
        say(f"without {name}")
        failed += run(settings, {split: split for split in splits}, ["stages"], [1], jobs, say)
    return failed


def ablation_table(whole: Path, out: Path) -> Section:
    """Return what each part is worth at the splits that were measured with and without it.

    Args:
        whole: The folder of a benchmark run with all parts.
        out: The folder of the ablations.

    Raises:
        InputError: They have no split in common.
    """
    full = Table.from_results(read_results(whole))
    rows = []
    for name, ablation in ABLATIONS.items():
        without = Table.from_results(read_results(out / name))
        splits = sorted(set(full.windows) & set(without.windows))
        if not splits:
            what = f"no split is measured there and in {whole}"
            raise InputError([Problem(str(out / name), None, None, what, "measure some: ablate --splits ...")])
        changes = (_change(full, without, model, splits) for model in _MODELS)
        rows.append((f"{name}: {ablation.text}", ", ".join(map(str, splits)), *changes))
    return Section(
        title=f"Without each part, change in {_METRIC}",
        text="Mean of the splits' differences to the whole, with the same seed, ± its standard error.",
        header=("without", "splits", *_MODELS),
        rows=tuple(rows),
    )


def _change(full: Table, without: Table, model: str, splits: Sequence[int]) -> str:
    before, after = full.measured[model], without.measured[model]
    differences = np.array([_difference(before[split], after[split]) for split in splits])
    error = f" ± {differences.std(ddof=1) / np.sqrt(len(splits)):.4f}" if len(splits) > 1 else ""
    return f"{differences.mean():+.4f}{error}"


def _difference(before: Mapping[int, Metrics], after: Mapping[int, Metrics]) -> float:
    """Return the mean difference over the seeds that both have: the whole may have been measured with more."""
    seeds = before.keys() & after.keys()
    means = [[found[seed][_METRIC].mean(dtype=np.float64) for seed in sorted(seeds)] for found in (before, after)]
    return float(np.subtract(means[1], means[0]).mean())

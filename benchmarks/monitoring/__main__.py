"""Measure how soon `nextbest monitor` finds five faults, and how often it errs, in months after one trained model.

python -m benchmarks.monitoring --models MODELS --config BANK/nextbest.toml --out DIR

The bank is one that `nextbest simulate` made, and the models were trained on it. Each seed is a future of the bank.
Each month the customers of its first day are compared, with what they did since the cutoff. A fault is in one month of
its own; it is found if that month has an alarm about it. All alarms of the months as they are, are false.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.csv

from benchmarks.monitoring.faults import FAULTS, inject
from benchmarks.monitoring.future import Bank, Future, Month, rebuild_bank
from nextbest.data.bank import BankConfig
from nextbest.data.files import write_text
from nextbest.pipeline.config import load_config
from nextbest.serving.monitoring.watch import MonitoringReport, watch
from nextbest.serving.recommender import Recommender

__all__ = ["main", "measure", "table"]


def measure(
    bank: Bank, recommender: Recommender, seeds: Sequence[int], months: int, scored: int
) -> Iterator[dict[str, Any]]:
    """Yield what was found in each seed's future.

    Args:
        bank: The bank.
        recommender: The models.
        seeds: Each gives a future.
        months: How many months of it, at least as many as faults and one more.
        scored: Of how many customers, drawn in each month, the scores are compared.
    """

    def look(month: Month) -> MonitoringReport:
        return watch(recommender, month.ids, month.requests, month.events, month.day, scored)

    for seed in seeds:
        rng = np.random.default_rng([seed, 1])
        when = dict(zip(rng.choice(np.arange(1, months), len(FAULTS), replace=False).tolist(), FAULTS, strict=True))
        false, found = [], []
        future = Future(bank, recommender, months, seed)
        for number, month in enumerate(future.months()):
            false += [{"month": number + 1, "alarm": str(alarm)} for alarm in look(month).alarms]
            if number in when:
                fault = inject(when[number], future, month, rng)
                alarms = look(fault.month).alarms
                by = [str(alarm) for alarm in alarms if fault.is_found(alarm)]
                found.append({"fault": fault.what, "month": number + 1, "detail": fault.detail, "by": by})
        yield {"seed": seed, "false": false, "faults": found}


def table(runs: Sequence[dict[str, Any]], months: int) -> str:
    """Return the table of what was found, as Markdown."""
    lines = [f"| fault | found within the month, of {len(runs)} seeds |", "|---|---|"]
    for what in FAULTS:
        found = sum(bool(fault["by"]) for run in runs for fault in run["faults"] if fault["fault"] == what)
        lines.append(f"| {what} | {found} ({found / len(runs):.0%}) |")
    wrong = Counter(len({alarm["month"] for alarm in run["false"]}) for run in runs)
    months_wrong = sum(count * times for count, times in wrong.items())
    spread = ", ".join(f"{times} seeds with {count}" for count, times in sorted(wrong.items()))
    lines += ["", f"Months with a false alarm: {months_wrong} of {len(runs) * months} ({spread})."]
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the table, and write DIR/monitoring.json and DIR/monitoring.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, required=True, help="the folder with the pushed models")
    parser.add_argument("--config", type=Path, required=True, help="the TOML of the simulated bank")
    parser.add_argument("--out", type=Path, required=True, help="the folder to write to")
    parser.add_argument("--seeds", type=int, default=20, help="how many futures")
    parser.add_argument("--first-seed", type=int, default=0, help="the first one's seed")
    parser.add_argument("--months", type=int, default=24, help="how many months of each")
    parser.add_argument("--branch-size", type=int, default=BankConfig().branch_size, help="of the simulated bank")
    parser.add_argument("--scored", type=int, default=2000, help="of how many customers scores are compared")
    chosen = parser.parse_args(arguments)
    bank = rebuild_bank(
        _bank_config(chosen.config, chosen.branch_size), load_config(chosen.config), chosen.config.parent
    )
    recommender, runs = Recommender.load(chosen.models), []
    seeds = range(chosen.first_seed, chosen.first_seed + chosen.seeds)
    for run in measure(bank, recommender, seeds, chosen.months, chosen.scored):
        runs.append(run)
        print(json.dumps(run), flush=True)
        write_text(chosen.out / "monitoring.json", json.dumps(runs, indent=1) + "\n")
        write_text(chosen.out / "monitoring.md", table(runs, chosen.months))
    print(table(runs, chosen.months))


def _bank_config(config: Path, branch_size: int) -> BankConfig:
    """Return the settings of a bank that was simulated with the command line's."""
    customers, products = (
        len(pyarrow.csv.read_csv(config.parent / f"{name}.csv")[f"{name[:-1]}_id"].unique())
        for name in ("customers", "products")
    )
    return BankConfig(customers=customers, products=products, seed=load_config(config).seed, branch_size=branch_size)


if __name__ == "__main__":
    main()

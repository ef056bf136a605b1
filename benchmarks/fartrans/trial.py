"""One split's test: who is measured, on what, and how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from benchmarks.fartrans.results import Facts, Result, Spent
from benchmarks.fartrans.tasks import Settings, Task
from nextbest.data.dataset import Array
from nextbest.data.snapshot import Snapshot
from nextbest.evaluation.baselines import Scorer, fit_baselines
from nextbest.evaluation.config import BaselineName, EvaluationConfig
from nextbest.evaluation.evaluate import TestSet, rank_all
from nextbest.modelling.metrics import per_customer
from nextbest.pipeline.config import load_config
from nextbest.pipeline.evaluate import make_test_set
from nextbest.pipeline.run import Run
from nextbest.pipeline.run_folder import RunFolder

__all__ = ["METRICS", "Trial"]

METRICS = ("ndcg@10", "recall@10", "mrr@10", "recall@100")
"""What is measured. Of ranking, whose lists hold what it was given, recall@100 is that of its candidates."""
_LISTS = EvaluationConfig(ks=(10, 100), main_metric="ndcg@10")


@dataclass(frozen=True)
class Trial:
    """What the models of one split are measured on."""

    split: int
    """The split."""
    run: Run
    """The split's tables and config."""
    snapshot: Snapshot
    """What is known at the time point."""
    test_set: TestSet
    """The protocol's customers, and what they bought."""

    @classmethod
    def of(cls, split: int, run: Run) -> Trial:
        """Read the tables and find out who is tested."""
        snapshot, _, test_set = make_test_set(run)
        return cls(split, run, snapshot, test_set)

    @classmethod
    def untrained(cls, settings: Settings, split: int) -> Trial:
        """Read the tables of a split without beginning a run."""
        folder = settings.tables(split)
        run = Run(load_config(folder / "nextbest.toml"), folder, RunFolder(folder / "run"), lambda step: _ignore)
        return cls.of(split, run)

    def baselines(self, names: tuple[BaselineName, ...]) -> dict[str, Scorer]:
        """Fit some of the product's own baselines with the config's settings."""
        config = self.run.config.evaluation
        config = config.model_copy(update={"baselines": config.baselines.model_copy(update={"fit": names})})
        return fit_baselines(self.run.history, self.run.windows.test.cutoff, config).scorers

    def measure(
        self,
        task: Task,
        scorers: Mapping[str, Scorer],
        spent: Spent | None,
        *,
        fallbacks: Mapping[str, str] | None = None,
        revision: str | None = None,
    ) -> None:
        """Measure the scorers and save the result of the task.

        Args:
            task: The task.
            scorers: Model -> scorer.
            spent: How long it took to make them, if that is known.
            fallbacks: Model that could not be trained -> why, and what stands in for it.
            revision: The revision of the code that trained them.
        """
        lists, _ = rank_all(scorers, self.test_set, _LISTS)
        found = {model: per_customer(ranked, self.test_set.relevant, _LISTS.ks) for model, ranked in lists.items()}
        cutoff, until = self.run.windows.test.dates
        facts = Facts(
            split=self.split,
            group=task.group,
            seed=task.seed,
            cutoff=cutoff,
            until=until,
            trained_at=task.splits[0],
            seconds=spent and spent.wall,
            processor_seconds=spent and spent.processor,
            fallbacks=dict(fallbacks or {}),
            revision=revision,
        )
        metrics = {
            model: {name: values[name].astype(np.float32) for name in METRICS} for model, values in found.items()
        }
        Result(facts, self._ids(), metrics).save(task.result(self.split))

    def _ids(self) -> Array:
        return self.run.history.customers.ids[self.test_set.customers]


def _ignore(what: str, share: float) -> None:
    """Show no progress."""

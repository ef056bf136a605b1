"""One stage's search: trials that Optuna proposes and remembers, so that a killed search goes on where it was."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nextbest.data.errors import FailedError
from nextbest.data.files import write_text
from nextbest.modelling.training import Progress, Training, load_training
from nextbest.pipeline.tune_space import Dimension

if TYPE_CHECKING:
    import optuna

__all__ = ["Objective", "Search", "Trial", "digest"]

_STARTUP_TRIALS = 10
"""So many trials are drawn at random before TPE (Bergstra et al., NeurIPS 2011) learns from them."""
_PRUNE_AFTER_TRIALS, _PRUNE_AFTER_EPOCHS = 5, 3
"""A trial ends early whose validation score is below the median of the others after as many epochs: once so many trials
have run to their end, and never before so many epochs."""

Objective = Callable[[dict[str, Any], Path, Progress], Training]
"""Settings by dotted key, a folder for checkpoints and what to call after every epoch -> a training with validation."""


@dataclass(frozen=True)
class Trial:
    """A trial that has ended."""

    number: int
    """From 0; trial 0 has the config's own settings."""
    settings: dict[str, Any]
    """Dotted key -> value."""
    scores: list[float]
    """Validation score per epoch."""
    pruned: bool
    """Whether it ended early, since it was below the median."""
    seconds: float
    """How long it took, in its last attempt where it was killed."""

    @property
    def epochs(self) -> int:
        """After how many epochs the score was highest (of equals the first)."""
        return self.scores.index(self.score) + 1

    @property
    def score(self) -> float:
        """The highest score."""
        return max(self.scores)


def digest(*parts: Any) -> str:
    """Return a short name for what a search or a cache depends on; it must be JSON."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Search:
    """The search of one stage. Each trial's settings are a function of the seed and of the trials before it."""

    name: str
    """Searches of other names share the folder and know nothing of each other."""
    folder: Path
    dimensions: tuple[Dimension, ...]
    seed: int

    def run(self, trials: int, objective: Objective, progress: Progress) -> tuple[Trial, ...]:
        """Search until so many trials have ended, those of earlier calls among them, and return all that have.

        A trial that was killed goes on from its checkpoints, under its number. Only one process may search in a folder.

        Args:
            trials: How many.
            objective: What a trial does; it may be ended through its progress.
            progress: Called after every epoch of every trial.

        Raises:
            FailedError: A trial has no validation score.
        """
        ended = self._read()
        while len(ended) < trials:
            ended.append(self._try(ended, objective, _in_search(ended, trials, progress)))
            write_text(self._record, json.dumps([asdict(trial) for trial in ended], indent=1) + "\n")
        shutil.rmtree(self._checkpoints, ignore_errors=True)
        return tuple(ended)

    @property
    def _checkpoints(self) -> Path:
        return self.folder / "checkpoints"

    @property
    def _record(self) -> Path:
        """The trials that have ended.

        Not a storage of Optuna's: its journal cannot be read after a kill within a line, its database takes longer
        than a short epoch for each, and both would have to be cleared of killed trials.
        """
        return self.folder / "trials" / f"{self.name}.json"

    def _read(self) -> list[Trial]:
        if not self._record.exists():
            return []
        return [Trial(**content) for content in json.loads(self._record.read_text(encoding="utf-8"))]

    def _study(self, ended: list[Trial]) -> optuna.Study:
        """Return a study that knows the trials that have ended, and nothing of where the search was killed."""
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        pruner = optuna.pruners.MedianPruner(_PRUNE_AFTER_TRIALS, _PRUNE_AFTER_EPOCHS)
        study = optuna.create_study(
            direction="maximize",
            sampler=optuna.samplers.TPESampler(n_startup_trials=_STARTUP_TRIALS, seed=self.seed + len(ended)),
            pruner=pruner,
        )
        states = optuna.trial.TrialState
        for trial in ended:
            known = optuna.trial.create_trial(
                state=states.PRUNED if trial.pruned else states.COMPLETE,
                value=None if trial.pruned else trial.score,
                params=self._params(trial.settings),
                distributions=self._distributions(),
                intermediate_values=dict(enumerate(trial.scores, start=1)),
            )
            study.add_trial(known)
        return study

    def _params(self, settings: dict[str, Any]) -> dict[str, Any]:
        return {dimension.key: dimension.encode(settings[dimension.key]) for dimension in self.dimensions}

    def _distributions(self) -> dict[str, optuna.distributions.BaseDistribution]:
        return {dimension.key: dimension.distribution() for dimension in self.dimensions}

    def _ask(self, ended: list[Trial]) -> optuna.Trial:
        study = self._study(ended)
        if not ended:
            study.enqueue_trial(self._params({dimension.key: dimension.own for dimension in self.dimensions}))
        return study.ask(self._distributions())

    def _try(self, ended: list[Trial], objective: Objective, progress: Progress) -> Trial:
        import optuna

        begun = time.monotonic()
        number, trial = len(ended), self._ask(ended)
        settings = {dimension.key: dimension.decode(trial.params[dimension.key]) for dimension in self.dimensions}
        checkpoints = self._checkpoints / digest(self.name, number, settings)
        for other in self._checkpoints.glob("*"):  # of trials that have ended
            if other != checkpoints:
                shutil.rmtree(other)
        reported: list[float] = []

        def report(what: str, share: float) -> None:
            progress(f"trial {number}: {what}", share)
            for score in load_training(checkpoints).scores[len(reported) :]:
                reported.append(score)
                trial.report(score, len(reported))
                if trial.should_prune():
                    raise optuna.TrialPruned

        pruned = False
        try:
            scores = objective(settings, checkpoints, report).scores
        except optuna.TrialPruned:
            scores, pruned = reported, True
        if not all(map(math.isfinite, scores)):
            raise FailedError(
                f"trial {number} has the validation scores {scores}, with {settings}; narrow [tune.space]"
            )
        return Trial(number, settings, scores, pruned, time.monotonic() - begun)


def _in_search(ended: list[Trial], trials: int, progress: Progress) -> Progress:
    """Return a function that shows a trial's progress as a part of the whole search's."""
    best = f", best so far {max(trial.score for trial in ended if not trial.pruned):.4f}" if ended else ""

    def show(what: str, share: float) -> None:
        progress(what + best, (len(ended) + share) / trials)

    return show

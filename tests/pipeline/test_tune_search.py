"""The search: it finds a known optimum, ends what is worse, and a killed one ends as one that ran undisturbed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from nextbest.data.errors import FailedError
from nextbest.modelling.training import Progress, Training, load_training
from nextbest.pipeline.tune_search import Objective, Search, Trial
from nextbest.pipeline.tune_space import Dimension

BEST = 0.7  # where the peak below is highest
EPOCHS = 4


class Killed(BaseException):
    """Stands for a SIGKILL: nothing in the search may catch it."""


def ignore_progress(what: str, share: float) -> None:
    """Show nothing."""


def peak(settings: dict[str, Any]) -> float:
    return 1 - (settings["x"] - BEST) ** 2 - 0.1 * len(settings["y"])


def objective(die_at: tuple[int, int] | None = None, epochs: int = EPOCHS) -> Objective:
    """Return a training that nears its peak epoch by epoch; it may be killed in the n-th call after an epoch."""
    calls = 0

    def train(settings: dict[str, Any], checkpoints: Path, progress: Progress) -> Training:
        nonlocal calls
        calls += 1
        training = load_training(checkpoints)
        for epoch in range(len(training.scores), epochs):
            training.losses.append(0.0)
            training.scores.append(peak(settings) - 1 / (epoch + 1))
            (checkpoints / "last").mkdir(parents=True, exist_ok=True)
            (checkpoints / "last" / "training.json").write_text(json.dumps(vars(training)))
            if (calls, epoch) == die_at:
                raise Killed
            progress("an epoch", (epoch + 1) / epochs)
        return training

    return train


def search_in(folder: Path) -> Search:
    dimensions = (Dimension("x", 0.1, bounds=(0.0, 1.0)), Dimension("y", [1, 2], choices=([1, 2], [1])))
    return Search("peak", folder, dimensions, seed=5)


def timeless(trials: tuple[Trial, ...]) -> list[dict[str, Any]]:
    return [asdict(replace(trial, seconds=0)) for trial in trials]


def score(trial: dict[str, Any]) -> float:
    return max(trial["scores"])


@pytest.fixture(scope="module", autouse=True)
def _few_random_trials() -> Iterator[None]:
    """Let the sampler learn from the fourth trial on."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nextbest.pipeline.tune_search._STARTUP_TRIALS", 3)
        yield


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    return timeless(search_in(tmp_path_factory.mktemp("search")).run(14, objective(), ignore_progress))


def test_trial_0_has_the_own_settings_and_is_not_ended(undisturbed: list[dict[str, Any]]) -> None:
    # The peak of x = 0.1 and two units is 1 - 0.6² - 0.2 = 0.44; the epochs are 1, 1/2, 1/3 and 1/4 below.
    assert undisturbed[0] == {
        "number": 0, "pruned": False, "scores": pytest.approx([-0.56, -0.06, 0.44 - 1 / 3, 0.19]), "seconds": 0,
        "settings": {"x": 0.1, "y": [1, 2]},
    }  # fmt: skip


def test_it_comes_near_the_best(undisturbed: list[dict[str, Any]]) -> None:
    best = max((trial for trial in undisturbed if not trial["pruned"]), key=score)
    assert best["settings"]["y"] == [1]
    assert best["settings"]["x"] == pytest.approx(BEST, abs=0.15)


def test_what_is_below_the_median_ends_early(undisturbed: list[dict[str, Any]]) -> None:
    whole = [trial for trial in undisturbed if not trial["pruned"]]
    ended = [trial for trial in undisturbed if trial["pruned"]]
    assert ended and all(len(trial["scores"]) == 3 for trial in ended)
    assert all(trial["number"] >= 5 for trial in ended)
    assert max(peak(trial["settings"]) for trial in ended) < max(peak(trial["settings"]) for trial in whole)


@pytest.mark.parametrize("die_at", [(1, 0), (1, 3), (2, 1), (9, 2), (14, 3)])
def test_a_killed_search_goes_on(tmp_path: Path, undisturbed: list[dict[str, Any]], die_at: tuple[int, int]) -> None:
    with pytest.raises(Killed):
        search_in(tmp_path).run(14, objective(die_at), ignore_progress)
    assert len(list((tmp_path / "checkpoints").iterdir())) == 1  # the killed trial's
    assert timeless(search_in(tmp_path).run(14, objective(), ignore_progress)) == undisturbed


def test_a_killed_trial_goes_on_from_its_checkpoints(tmp_path: Path) -> None:
    with pytest.raises(Killed):
        search_in(tmp_path).run(1, objective((1, 2)), ignore_progress)
    shares: list[float] = []
    search_in(tmp_path).run(1, objective(), lambda what, share: shares.append(share))
    assert shares == [1.0]  # three of four epochs were there


def test_a_search_of_fewer_trials_goes_on_with_more(tmp_path: Path, undisturbed: list[dict[str, Any]]) -> None:
    for trials in (1, 6, 14):
        found = search_in(tmp_path).run(trials, objective(), ignore_progress)
        assert timeless(found) == undisturbed[:trials]
    # What is there already is returned, and nothing is trained.
    assert timeless(search_in(tmp_path).run(2, objective((1, 0)), ignore_progress)) == undisturbed


def test_another_seed_tries_other_settings(tmp_path: Path, undisturbed: list[dict[str, Any]]) -> None:
    found = timeless(replace(search_in(tmp_path), seed=6).run(2, objective(), ignore_progress))
    assert found[0] == undisturbed[0] and found[1] != undisturbed[1]


def test_searches_of_other_names_share_a_folder(tmp_path: Path) -> None:
    found = [replace(search_in(tmp_path), name=name).run(2, objective(), ignore_progress) for name in ("one", "other")]
    assert timeless(found[0]) == timeless(found[1])


def test_the_checkpoints_of_ended_trials_are_removed(tmp_path: Path) -> None:
    counts: set[int] = set()
    train = objective()

    def watched(settings: dict[str, Any], checkpoints: Path, progress: Progress) -> Training:
        training = train(settings, checkpoints, progress)
        counts.add(len(list(checkpoints.parent.iterdir())))
        return training

    search_in(tmp_path).run(3, watched, ignore_progress)
    assert counts == {1}
    assert [path.name for path in tmp_path.iterdir()] == ["trials"]


def test_a_trial_without_a_score_is_reported(tmp_path: Path) -> None:
    with pytest.raises(
        FailedError, match=r"trial 0 has the validation scores \[nan\], with .*; narrow \[tune\.space\]"
    ):
        search_in(tmp_path).run(1, lambda *_: Training([0.0], [float("nan")]), ignore_progress)

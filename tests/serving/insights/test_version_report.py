"""The report of a version comes from MODELS alone, and can be read as long as the version is loaded."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from nextbest.evaluation.results import Evaluation
from nextbest.serving.insights.version_report import CARD, METRICS, read_report
from nextbest.serving.recommender import Recommender
from nextbest.serving.store.push import rollback
from tests.serving.tiny import export
from tests.trained import Trained

pytestmark = pytest.mark.usefixtures("load_once")


def test_a_run_leaves_its_metrics_and_card_in_models(trained: Trained, recommender: Recommender) -> None:
    described = read_report(recommender)
    assert described is not None
    measured = (trained.run / "evaluation" / "metrics.json").read_text(encoding="utf-8")
    assert Evaluation.model_validate(described.metrics) == Evaluation.model_validate_json(measured)
    assert described.card.startswith(f"# Model card: next best products, as of {described.as_of}\n")
    assert (described.version, described.rollback_of, described.forced, described.approved, described.loads) == (
        1,
        None,
        False,
        True,
        True,
    )
    assert described.reasons and described.load_problems == ()
    assert (described.index, described.index_reason.split()[0]) == ("exact", "40")
    assert described.horizon_days == 91
    assert abs((datetime.now(UTC) - described.pushed_at).total_seconds()) < 24 * 3600
    window = Evaluation.model_validate(described.metrics).window
    assert (window.cutoff, (window.until - window.cutoff).days) == (described.as_of, 91)


def test_only_the_composite_carries_them(trained: Trained) -> None:
    found = {path.parts[-4] for name in (METRICS, CARD) for path in trained.models.glob(f"*/1/assets.extra/{name}")}
    assert found == {"recommender"}


def test_a_rollback_takes_them_along(trained: Trained, recommender: Recommender, tmp_path: Path) -> None:
    shutil.copytree(trained.models, tmp_path / "models")
    rollback(tmp_path / "models", 1)
    described, before = read_report(Recommender.load(tmp_path / "models")), read_report(recommender)
    assert described is not None and before is not None
    assert (described.version, described.rollback_of, described.card) == (2, 1, before.card)


def test_they_are_read_though_the_version_was_removed(
    trained: Trained, recommender: Recommender, tmp_path: Path
) -> None:
    folder = tmp_path / "1"
    shutil.copytree(trained.models / "recommender" / "1", folder)
    loaded = Recommender(folder)
    shutil.rmtree(folder)
    assert read_report(loaded) == read_report(recommender)


@pytest.mark.parametrize("missing", [(METRICS,), (CARD,), (METRICS, CARD)])
def test_older_exports_have_none(tmp_path: Path, missing: tuple[str, ...]) -> None:
    folder = export(tmp_path / "1", warmup=False)
    for name in {METRICS, CARD} - set(missing):
        (folder / "assets.extra" / name).write_text(json.dumps({}))
    assert read_report(Recommender(folder)) is None

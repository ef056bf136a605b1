"""A batch in chunks: who stops taking them stops the work."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest

import nextbest.serving.scoring
from nextbest.data.errors import InputError
from nextbest.serving.artifacts.assets import Table
from nextbest.serving.data_age import DataAge
from nextbest.serving.recommender import Recommendations
from nextbest.serving.scoring import score_in_chunks

IDS = np.array([f"C{number}" for number in range(7)], object)


class OneProduct:
    """Recommends one product to each customer, and counts its calls."""

    products = Table(np.array(["P1"], object), {})
    manifest: ClassVar[dict[str, Any]] = {"policy": {}, "as_of_day": 0, "horizon_days": 91}
    folder, index, server, age = Path("nowhere"), "exact", None, DataAge.of(manifest)

    def __init__(self) -> None:
        self.calls = 0

    def knows(self, ids: np.ndarray) -> np.ndarray:
        return np.ones(len(ids), bool)

    def recommend(self, requests: dict[str, Any], top: int, filters: object) -> Recommendations:
        self.calls += 1
        num = len(requests["age"])
        one = np.ones((num, 1))
        return Recommendations(
            np.full((num, 1), "P1", object),
            one.astype(np.float32),
            one.astype(np.float32),
            one.astype(np.int32),
            one[:, 0],
        )


@pytest.fixture
def scorer(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(nextbest.serving.scoring, "SCORING_CHUNK", 3)
    return OneProduct()


def request() -> dict[str, np.ndarray]:
    return {"age": np.arange(len(IDS)), "held_products": np.full((len(IDS), 1), "", object)}


def test_each_chunk_is_told_when_it_is_written(scorer: Any, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    chunks = []
    for chunk in score_in_chunks(scorer, IDS, request(), out, 1):
        assert not out.exists()  # the file appears whole
        chunks.append((chunk.customers, chunk.recommendations["customer_id"].to_pylist()))
    assert chunks == [(3, ["C0", "C1", "C2"]), (3, ["C3", "C4", "C5"]), (1, ["C6"])]
    assert pd.read_csv(out)["customer_id"].tolist() == IDS.tolist()


@pytest.mark.parametrize("ending", [".csv", ".parquet", ".xlsx"])
def test_who_stops_taking_chunks_stops_the_work(scorer: Any, ending: str, tmp_path: Path) -> None:
    chunks = score_in_chunks(scorer, IDS, request(), tmp_path / f"out{ending}", 1)
    next(chunks)
    chunks.close()
    assert scorer.calls == 1
    assert not list(tmp_path.iterdir())


def test_too_much_for_excel_is_refused_before_anything_is_scored(scorer: Any, tmp_path: Path) -> None:
    ids = np.full(1_048_576, "C", object)
    with pytest.raises(InputError, match="up to 1,048,576 recommendations"):
        next(score_in_chunks(scorer, ids, request(), tmp_path / "out.xlsx", 20))  # of one product
    assert not scorer.calls

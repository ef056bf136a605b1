from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.movielens import run as run_module
from benchmarks.movielens.prepare import installed_folder, prepare
from benchmarks.movielens.run import PeerGrid, choose, fits_of, measure, validation_of
from nextbest.data.dataset import Array, Dataset
from nextbest.data.errors import InputError
from nextbest.data.snapshot import Snapshot
from nextbest.evaluation.baselines import Popularity, Random, Scorer
from nextbest.evaluation.config import EvaluationConfig
from nextbest.pipeline.config import load_config
from nextbest.pipeline.evaluate import make_test_set
from nextbest.pipeline.run import Run
from nextbest.pipeline.run_folder import RunFolder
from tests.evaluation.worlds import Planted, planted_world


@pytest.fixture(scope="session")
def recbole() -> Path:
    """Return the folder of the real files."""
    try:
        return installed_folder()
    except InputError as error:
        pytest.skip(f"MovieLens 100K is not here: {error}")


def run_of(toml: Path) -> Run:
    return Run(load_config(toml), toml.parent, RunFolder(toml.parent / "run"), lambda step: lambda what, share: None)


def test_the_test_is_everyone_s_last_film_and_the_validation_the_one_before(recbole: Path, tmp_path: Path) -> None:
    run = run_of(prepare(recbole, tmp_path / "out"))
    ratings = pd.read_csv(recbole / "ml-100k.inter", sep="\t", dtype={"user_id:token": str, "item_id:token": str})
    ratings = ratings.sort_values("timestamp:float", kind="stable")
    for place, tested in ((1, run), (2, validation_of(run))):
        _, _, test_set = make_test_set(tested)
        history = tested.history
        people, films = test_set.relevant.nonzero()
        found = dict(zip(history.customers.ids[test_set.customers[people]], history.products.ids[films], strict=True))
        assert (
            found
            == ratings.groupby("user_id:token")["item_id:token"]
            .nth(-place)
            .set_axis(ratings.groupby("user_id:token").nth(-place)["user_id:token"])
            .to_dict()
        )
        assert (len(history.customers), len(history.products)) == (943, 1682)
        assert len(history.interactions) == 100_000 - 943 * place
        assert test_set.allowed(np.arange(943)).sum() == 943 * 1682 - len(history.interactions)


def test_the_report_compares_ours_with_the_peers(
    recbole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("implicit", reason="the peers of the extra 'benchmarks' are not installed")

    def untrained(data: Path, out: Path, seed: int, progress: object) -> Run:
        run = run_of(data / "nextbest.toml")
        return replace(run, config=run.config.model_copy(update={"seed": seed}))

    def stand_ins(run: Run, snapshot: Snapshot) -> dict[str, Scorer]:
        popular = Popularity.fit(run.history, run.windows.test.cutoff)
        return {"retrieval": popular, "ranking": Backwards(popular) if run.config.seed else popular}

    monkeypatch.setattr(run_module, "_train", untrained)
    monkeypatch.setattr(run_module, "_stages", stand_ins)
    grid = PeerGrid(
        ease_l2=(100, 10_000_000),
        knn_shrinkage=(0,),
        knn_neighbours=(20,),
        ials_factors=(8,),
        ials_regularization=(1,),
        ials_alpha=(1,),
    )
    findings = measure(recbole, tmp_path / "out", range(2), lambda step: lambda what, share: None, grid)
    # A penalty of ten millions leaves nothing but popularity.
    assert findings.peers["ease"].parameters == {"l2": 100}
    assert findings.peers["ease"].tried == 2
    popular, backwards = findings.by_seed["ranking"]
    assert popular == pytest.approx(findings.models["popularity"]["ndcg@10"].value)
    assert backwards < popular / 2
    assert findings.models["ranking"]["ndcg@10"].value == pytest.approx((popular + backwards) / 2)
    assert findings.models["ease"]["ndcg@10"].value > findings.models["popularity"]["ndcg@10"].value
    difference = findings.paired["ranking-ease"]["ndcg@10"]
    assert difference.high < 0
    assert difference.difference == pytest.approx(
        findings.models["ranking"]["ndcg@10"].value - findings.models["ease"]["ndcg@10"].value
    )
    report = (tmp_path / "out" / "report.md").read_text()
    assert "| ease | l2 = 100.0 | 2 |" in report
    assert f"| ranking | {popular:.4f} | {backwards:.4f} |" in report
    assert type(findings).model_validate_json((tmp_path / "out" / "report.json").read_text()) == findings


class Backwards:
    """The least popular first."""

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer

    def score(self, customers: Array) -> Array:
        return -self._scorer.score(customers)


@pytest.fixture(scope="module")
def planted() -> Planted:
    return planted_world()


def test_the_grid_gives_every_combination() -> None:
    grid = PeerGrid(
        ease_l2=(1, 2, 3),
        knn_shrinkage=(0, 5),
        knn_neighbours=(10, None),
        ials_factors=(8, 16),
        ials_regularization=(1,),
        ials_alpha=(2, 4),
        ials_iterations=(5,),
    )
    tried = {name: [parameters for parameters, _ in fits] for name, fits in fits_of(grid, seed=0).items()}
    assert tried["popularity"] == [{}]
    assert tried["ease"] == [{"l2": 1}, {"l2": 2}, {"l2": 3}]
    assert tried["item_knn"][1] == {"shrinkage": 0, "neighbours": None}
    assert [len(parameters) for parameters in tried.values()] == [1, 4, 3, 4]


def test_the_best_on_the_validation_is_chosen(planted: Planted) -> None:
    def backwards(history: Dataset, day: int) -> Scorer:
        return Popularity.fit(history.until(0), 0)

    fits = [
        ({"name": "random"}, lambda history, day: Random.fit(history, day, seed=1)),
        ({"name": "popularity"}, Popularity.fit),
        ({"name": "popularity again"}, Popularity.fit),
        ({"name": "old popularity"}, backwards),
    ]
    chosen = choose(fits, planted.history, planted.cutoff_day, planted.test_set, EvaluationConfig())
    assert chosen.parameters == {"name": "popularity"}
    assert chosen.tried == 4
    # Places are random within a block, and the largest block has 40 % of the customers.
    assert 0.2 < chosen.validation < 0.5


def test_nothing_to_choose_from_is_refused(planted: Planted) -> None:
    with pytest.raises(ValueError, match="give the grid at least one value"):
        choose([], planted.history, planted.cutoff_day, planted.test_set, EvaluationConfig())

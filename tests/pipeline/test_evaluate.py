"""The evaluation measures what was exported, on what really happened: checked against the tables themselves."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nextbest.data.errors import InputError
from nextbest.pipeline.evaluate import evaluate_run
from nextbest.pipeline.run import Run, open_run
from nextbest.pipeline.run_folder import RunFolder
from nextbest.serving.recommender import Recommender
from tests.trained import Trained

CUTOFF, UNTIL = "2024-09-27", "2024-12-27"  # the small bank's TOML: test_cutoff, and horizon_days = 91 later


@pytest.fixture(scope="module")
def acquired(trained: Trained) -> dict[str, set[str]]:
    """What each customer who was known at the cutoff newly took in the test window."""
    bank = trained.config.parent
    customers, products = (pd.read_csv(bank / f"{name}.csv", dtype=str) for name in ("customers", "products"))
    events = pd.read_csv(bank / "interactions.csv", dtype=str)
    moves = events[events["event"].isin(["open", "close"])]
    last = moves[moves["timestamp"] <= CUTOFF].groupby(["customer_id", "product_id"])["event"].last()
    held = set(last[last == "open"].index)
    known = [set(table.loc[table["as_of"] <= CUTOFF].iloc[:, 0]) for table in (customers, products)]
    opened = moves[(moves["event"] == "open") & (moves["timestamp"] > CUTOFF) & (moves["timestamp"] <= UNTIL)]
    found: dict[str, set[str]] = {}
    for customer, product in opened[["customer_id", "product_id"]].itertuples(index=False, name=None):
        if customer in known[0] and product in known[1] and (customer, product) not in held:
            found.setdefault(customer, set()).add(product)
    return found


def test_the_window_holds_what_was_acquired(trained: Trained, acquired: dict[str, set[str]]) -> None:
    window = json.loads((trained.run / "evaluation" / "metrics.json").read_text())["window"]
    assert (window["cutoff"], window["until"]) == (CUTOFF, UNTIL)
    assert window["customers"] == len(acquired)
    assert window["acquisitions"] == sum(map(len, acquired.values()))


def test_ranking_is_measured_as_it_is_served(
    trained: Trained, recommender: Recommender, acquired: dict[str, set[str]]
) -> None:
    customers = recommender.customers()
    lists = dict(zip(customers.ids, recommender.recommend(customers.columns, 5).product_id, strict=True))
    hits = [[product in products for product in lists[customer]] for customer, products in acquired.items()]
    metrics = json.loads((trained.run / "evaluation" / "metrics.json").read_text())["models"]["ranking"]
    assert metrics["hit_rate@5"]["value"] == pytest.approx(np.mean([any(row) for row in hits]))
    assert metrics["hit_rate@1"]["value"] == pytest.approx(np.mean([row[0] for row in hits]))
    assert metrics["precision@5"]["value"] == pytest.approx(np.mean(hits))


class TestOtherSettings:
    """Runs whose [evaluation] differs, on the same models."""

    @pytest.fixture
    def run(self, trained: Trained, tmp_path: Path) -> Run:
        shutil.copytree(trained.run, tmp_path / "run", ignore=shutil.ignore_patterns("evaluation", "checkpoints"))
        run = open_run(trained.run, lambda what: lambda doing, share: None)
        return dataclasses.replace(run, folder=RunFolder(tmp_path / "run"), source=tmp_path)

    def changed(self, run: Run, trained: Trained, **evaluation: str) -> Run:
        """Return the run with other settings of the evaluation; its tables are read where they are."""
        changed = run.config.evaluation.model_copy(update={"oracle": None} | evaluation)
        config = run.config.model_copy(update={"evaluation": changed})
        return dataclasses.replace(run, config=config, same_tables_as=open_run(trained.run, run.show))

    def test_only_the_customers_of_a_file(
        self, run: Run, trained: Trained, acquired: dict[str, set[str]], tmp_path: Path
    ) -> None:
        some = sorted(acquired)[:20]
        (tmp_path / "some.txt").write_text("\n".join([*some, "C999999"]))
        found = evaluate_run(self.changed(run, trained, customers="some.txt"))
        assert found.window.customers == 20
        assert found.window.acquisitions == sum(len(acquired[customer]) for customer in some)
        assert "oracle" not in found.models

    def test_no_one(self, run: Run, trained: Trained, tmp_path: Path) -> None:
        (tmp_path / "no_one.txt").write_text("C999999")
        with pytest.raises(InputError, match="no customer acquired anything"):
            evaluate_run(self.changed(run, trained, customers="no_one.txt"))
        assert not (tmp_path / "run" / "evaluation").exists()

    def test_an_oracle_of_another_kind(self, run: Run, trained: Trained, tmp_path: Path) -> None:
        pd.DataFrame({"customer_id": ["C000001"]}).to_parquet(tmp_path / "oracle.parquet")
        with pytest.raises(InputError, match=r"oracle\.parquet.*lacks the columns"):
            evaluate_run(self.changed(run, trained, oracle="oracle.parquet"))
        assert not (tmp_path / "run" / "evaluation").exists()

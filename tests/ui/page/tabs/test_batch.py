"""The tab of the batch."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from nextbest.data.errors import InputError
from nextbest.serving.recommender import Filters
from nextbest.ui.page.tabs.batch import preview, score_file
from nextbest.ui.page.version_data import (
    VersionData,
)
from tests.trained import Trained
from tests.ui.tables import known_customers


def test_a_batch_is_shown_as_it_was_written(data: VersionData, trained: Trained, tmp_path: Path) -> None:
    rows = known_customers(trained.config.parent).head(5)
    rows.to_csv(tmp_path / "customers.csv", index=False)
    seen: list[tuple[int, int]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
        for ending, read in ((".csv", pd.read_csv), (".parquet", pd.read_parquet)):
            out, report, written = score_file(
                data, tmp_path / "customers.csv", 3, ending, Filters(), lambda *progress: seen.append(progress)
            )
            table = read(out)
            assert (report.customers, written, out.suffix) == (5, len(table), ending)
            assert out.is_relative_to(tmp_path)
            shown = preview(data, out, 4)
            assert shown.count('scope="row"') == min(4, written)
            assert str(table["customer_id"][0]) in shown
    assert seen == [(5, 5)] * 2 and not report.unknown_ids


def test_a_file_of_strangers_is_refused(data: VersionData, trained: Trained, tmp_path: Path) -> None:
    rows = known_customers(trained.config.parent).head(5)
    rows.assign(customer_id=[f"X{row}" for row in range(5)]).to_csv(tmp_path / "customers.csv", index=False)
    with pytest.raises(InputError, match="5 of 5 customers are unknown to the export, which has ids like 'C000001'"):
        score_file(data, tmp_path / "customers.csv", 3, ".csv", Filters())


def test_the_filters_hold_for_every_customer(data: VersionData, trained: Trained, tmp_path: Path) -> None:
    rows = known_customers(trained.config.parent).head(20)
    rows.to_csv(tmp_path / "customers.csv", index=False)
    cautious = Filters(max_risk=1, categories=("savings_account", "digital_service"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
        out, _, written = score_file(data, tmp_path / "customers.csv", 3, ".csv", cautious)
    found = pd.read_csv(out)
    assert len(found) == written > 0
    products = data.recommender.products.columns
    positions = [data.product_rows[product] for product in found["product_id"]]
    assert set(products["risk_level"][positions]) == {1.0}
    assert set(products["category"][positions]) <= {"savings_account", "digital_service"}

"""The tab of the batch."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

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
            out, customers, written = score_file(
                data, tmp_path / "customers.csv", 3, ending, lambda *progress: seen.append(progress)
            )
            table = read(out)
            assert (customers, written, out.suffix) == (5, len(table), ending)
            assert out.is_relative_to(tmp_path)
            shown = preview(data, out, 4)
            assert shown.count('scope="row"') == min(4, written)
            assert str(table["customer_id"][0]) in shown
    assert seen == [(5, 5)] * 2

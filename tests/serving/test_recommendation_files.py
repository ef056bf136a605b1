"""Files of recommendations: the same rows in every format, no formulas, and nothing half-written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from nextbest.data.errors import InputError, Problem
from nextbest.data.files import new_file
from nextbest.serving.recommendation_files import (
    EXCEL_ROWS,
    WHY,
    check_output,
    open_writer,
    recommendation_table,
    write_rejects,
)
from nextbest.serving.recommender import Recommendations
from tests.sheets import cells_of_sheet, read_excel

IDS = np.array(["=1+1", "+1", "-2+3", "@SUM(1)", "00012", 'C"7,é'], object)
READ: dict[str, Callable[[Path], pd.DataFrame]] = {
    ".csv": lambda path: pd.read_csv(path, dtype={"customer_id": str}),
    ".parquet": pd.read_parquet,
    ".xlsx": read_excel,
}


def found(num: int = len(IDS), count: int = 2) -> Recommendations:
    """Return two products for each customer, or fewer."""
    return Recommendations(
        product_id=np.array([["P1", "=P2"]] * num, object),
        probability=np.array([[0.1, 1 / 3]] * num, np.float32),
        similarity=np.array([[-0.25, 1e-7]] * num, np.float32),
        retrieval_rank=np.array([[7, 1]] * num, np.int32),
        count=np.full(num, count, np.int32),
    )


def write(path: Path, *tables: pa.Table, explained: bool = False) -> Path:
    with new_file(path) as staging, open_writer(staging, path.suffix, explained) as add:
        for table in tables:
            add(table)
    return path


@pytest.mark.parametrize("ending", READ)
def test_every_format_has_the_same_rows(ending: str, tmp_path: Path) -> None:
    first, second = (recommendation_table(part, found(3)) for part in (IDS[:3], IDS[3:]))
    none = recommendation_table(IDS, found(count=0))
    table = READ[ending](write(tmp_path / f"out{ending}", first, none, second))
    assert table["customer_id"].tolist() == np.repeat(IDS, 2).tolist()
    assert table["product_id"].tolist() == ["P1", "=P2"] * 6
    assert table["rank"].tolist() == [1, 2] * 6 and table["retrieval_rank"].tolist() == [7, 1] * 6
    np.testing.assert_array_equal(table["probability"].astype(np.float32), np.float32([0.1, 1 / 3] * 6))
    np.testing.assert_array_equal(table["similarity"].astype(np.float32), np.float32([-0.25, 1e-7] * 6))
    assert [path.name for path in tmp_path.iterdir()] == [f"out{ending}"]


def test_no_cell_of_excel_is_a_formula_or_more_digits_than_known(tmp_path: Path) -> None:
    why = np.array([["=because", "so"]] * len(IDS), object)
    path = write(tmp_path / "out.xlsx", recommendation_table(IDS, found(), why), explained=True)
    header, row, *_ = cells_of_sheet(path)
    assert [name for _, name in header][-1] == WHY
    assert row == [
        ("inlineStr", "=1+1"),
        ("n", "1"),
        ("inlineStr", "P1"),
        ("n", "0.1"),
        ("n", "-0.25"),
        ("n", "7"),
        ("inlineStr", "=because"),
    ]


@pytest.mark.parametrize("ending", READ)
def test_what_is_interrupted_leaves_nothing(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"out{ending}"
    with pytest.raises(KeyboardInterrupt), new_file(path) as staging, open_writer(staging, ending) as add:
        add(recommendation_table(IDS, found()))
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())


def test_what_a_sheet_cannot_hold_is_refused_by_name(tmp_path: Path) -> None:
    check_output(tmp_path / "out.xlsx", EXCEL_ROWS - 1)  # and the header
    check_output(tmp_path / "out.csv", EXCEL_ROWS)
    with pytest.raises(InputError, match=r"Excel sheet has 1,048,576 rows.*up to 1,048,576 .*; choose Parquet or CSV"):
        check_output(tmp_path / "out.xlsx", EXCEL_ROWS)


def test_another_ending_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"end in '.xls' cannot be written; name a file that ends in .csv, .parquet"):
        check_output(tmp_path / "out.xls")


def test_a_reason_names_its_column(tmp_path: Path) -> None:
    rejected = [
        Problem("c.csv", "income", 2, "'lots' is not a number", "write one"),
        Problem("c.csv", None, 3, "odd", ""),
    ]
    write_rejects(tmp_path / "rejects.csv", rejected)
    table = pd.read_csv(tmp_path / "rejects.csv")
    assert table["reason"].tolist() == ["column 'income': 'lots' is not a number", "odd"]
    assert table["number"].tolist() == [2, 3]

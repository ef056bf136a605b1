"""Read an Excel file by what the format says, and not by the package that wrote it."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from zipfile import ZipFile

import pandas as pd

__all__ = ["Cell", "cells_of_sheet", "read_excel"]

MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
Cell = tuple[str, str]
"""Its type ('inlineStr' for a text, 'n' for a number) and what stands in it."""


def cells_of_sheet(path: Path) -> list[list[Cell]]:
    """Return the cells of the first sheet by row. No formula may be among them."""
    with ZipFile(path) as book:
        assert book.testzip() is None
        sheet = ElementTree.fromstring(book.read("xl/worksheets/sheet1.xml"))
    assert not list(sheet.iter(f"{MAIN}f"))
    return [
        [(cell.get("t", "n"), "".join(cell.itertext())) for cell in row.iter(f"{MAIN}c")]
        for row in sheet.iter(f"{MAIN}row")
    ]


def read_excel(path: Path) -> pd.DataFrame:
    """Return the first sheet as a table, its first row as the header."""
    header, *rows = cells_of_sheet(path)
    values: list[list[Any]] = [[float(text) if kind == "n" else text for kind, text in row] for row in rows]
    table = pd.DataFrame(values, columns=[name for _, name in header])
    return table.astype({"rank": int, "retrieval_rank": int})

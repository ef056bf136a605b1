"""A tiny bank in three CSV files, whose rows the tests of reading replace one at a time."""

from pathlib import Path

import pytest

from nextbest.data.config import DataConfig
from nextbest.data.errors import InputError, Problem
from nextbest.data.tables.load import load_dataset

CUSTOMERS = """\
customer_id,income,segment,has_app,born,note
C3,1000.5,retail,true,1990-01-02,likes funds
C1,2000,private,false,1980-12-31,
C2,,retail,,,
"""
PRODUCTS = """\
product_id,risk
loan,2
card,1
"""
INTERACTIONS = """\
customer_id,product_id,timestamp,event
C1,loan,2023-01-02,open
C1,card,2023-01-01,view
C3,card,2023-01-02,close
C1,card,2023-01-02,open
"""
CONFIG = {
    "customers": {
        "path": "customers.csv",
        "id": "customer_id",
        "columns": {
            "income": {"role": "number"},
            "segment": {"role": "category"},
            "has_app": {"role": "boolean"},
            "born": {"role": "date"},
            "note": {"role": "text", "optional": True},
        },
    },
    "products": {"path": "products.csv", "id": "product_id", "columns": {"risk": {"role": "number"}}},
    "interactions": {"path": "interactions.csv", "event": "event"},
}


def write_bank(folder: Path, **tables: str | bytes) -> DataConfig:
    """Write the tiny bank, with some of its tables replaced, and return its config."""
    for name, text in {"customers": CUSTOMERS, "products": PRODUCTS, "interactions": INTERACTIONS, **tables}.items():
        (folder / f"{name}.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    return DataConfig.model_validate(CONFIG)


def problems_of(config: DataConfig, folder: Path) -> tuple[Problem, ...]:
    """Return what is wrong with a bank that cannot be loaded."""
    with pytest.raises(InputError) as caught:
        load_dataset(config, folder)
    assert str(caught.value).splitlines() == [str(problem) for problem in caught.value.problems]
    return caught.value.problems

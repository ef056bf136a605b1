"""Write the folder that `nextbest run` reads."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd

from benchmarks.movielens.source import read_movielens
from benchmarks.movielens.tables import customer_table, interaction_table, product_table
from nextbest.data.errors import InputError, Problem
from nextbest.data.files import new_folder

__all__ = ["prepare"]

_CONFIG = Path(__file__).with_name("nextbest.toml")


def prepare(source: Path, out: Path) -> Path:
    """Write customers.csv, products.csv, interactions.csv and nextbest.toml, all or none of them.

    Args:
        source: The folder of MovieLens 100K; see `source.installed_folder`.
        out: The folder to make; it may exist if it is empty.

    Returns:
        The TOML.

    Raises:
        InputError: The source cannot be used, or `out` holds something already.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        what, remedy = "it exists and is not an empty folder", "name another --out, or empty it first"
        raise InputError([Problem(str(out), None, None, what, remedy)])
    read = read_movielens(source)
    interactions = interaction_table(read)
    interactions["timestamp"] = pd.to_datetime(interactions["timestamp"], unit="D")
    tables = {"customers": customer_table(read), "products": product_table(read), "interactions": interactions}
    with new_folder(out) as folder:
        for name, table in tables.items():
            table.to_csv(folder / f"{name}.csv", index=False, date_format="%Y-%m-%d", lineterminator="\n")
        shutil.copyfile(_CONFIG, folder / _CONFIG.name)
    return out / _CONFIG.name

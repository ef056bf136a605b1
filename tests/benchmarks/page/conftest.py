from pathlib import Path

import numpy as np
import pytest

from benchmarks.page.process import Served
from nextbest.serving.artifacts.assets import Table

HELD = np.array([["P1", "", ""], ["P1", "P2", "P3"], ["P3", "P2", "P1"]], object)


@pytest.fixture
def about() -> Served:
    """Return what an export of three customers and four products holds."""
    manifest = {"policy": {"risk_column": "risk", "category_column": "kind"}}
    customers = Table(np.array(["C1", "C2", "C3"], object), {"held_products": HELD})
    columns = {"risk": np.array([3.0, 1.0, np.nan, 1.0]), "kind": np.array(["fund", "card", "", "card"], object)}
    return Served(Path("models"), manifest, customers, Table(np.array(["P1", "P2", "P3", "P4"], object), columns))

"""Another future for a bank, which must change nothing of what is learned before the test cutoff."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

CUTOFF = "2024-09-27"  # the small bank's TOML says so


def change_the_future(bank: Path) -> None:
    """Let other customers take other products after the cutoff, and turn all dated rows that come after it over."""
    random = np.random.default_rng(0)
    events = pd.read_csv(bank / "interactions.csv", dtype=str)
    late = events["timestamp"] > CUTOFF
    for column in ("customer_id", "product_id", "event"):
        events.loc[late, column] = random.permutation(events.loc[late, column].to_numpy())
    dropped = late & (random.random(len(events)) < 0.5)
    events[~dropped].to_csv(bank / "interactions.csv", index=False)
    customers = pd.read_csv(bank / "customers.csv", dtype=str)
    late = customers["as_of"] > CUTOFF
    for column in ("segment", "income", "age", "risk_tolerance", "last_event"):
        customers.loc[late, column] = random.permutation(customers.loc[late, column].to_numpy())
    customers.to_csv(bank / "customers.csv", index=False)

"""What the tables alone tell is told before anything is trained, with its cause and a remedy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nextbest.data.errors import InputError
from nextbest.pipeline.run import start_run

TOML = """
size = "tiny"

[data.customers]
path = "customers.csv"
id = "customer_id"
columns = { risk_tolerance = { role = "number" } }

[data.products]
path = "products.csv"
id = "product_id"
columns = { risk_level = { role = "number" } }

[data.interactions]
path = "interactions.csv"
event = "event"

[data.windows]
horizon_days = 30
ranking_windows = 2

[[data.policy.rules]]
customer = "risk_tolerance"
op = ">="
product = "risk_level"
reason = "too risky"
"""
FIRST, DAYS = "2024-01-01", 200


def write_bank(folder: Path, toml: str = TOML, events: dict[int, str] | None = None, tolerance: int = 3) -> Path:
    """Write a bank in which a customer acquires a product each day, but for some days with another event."""
    happened = dict.fromkeys(range(DAYS), "open") | (events or {})
    customers = "".join(f"c{number},{tolerance}\n" for number in range(DAYS))
    rows = "".join(
        f"c{day},p{day % 5},{date},{happened[day]}\n" for day, date in enumerate(np.datetime64(FIRST) + np.arange(DAYS))
    )
    (folder / "customers.csv").write_text(f"customer_id,risk_tolerance\n{customers}")
    (folder / "products.csv").write_text("product_id,risk_level\n" + "".join(f"p{number},2\n" for number in range(5)))
    (folder / "interactions.csv").write_text(f"customer_id,product_id,timestamp,event\n{rows}")
    (folder / "bank.toml").write_text(toml)
    return folder / "bank.toml"


def problem(toml: Path) -> str:
    """Return the one problem of a run that is refused before it leaves anything."""
    with pytest.raises(InputError) as refused:
        start_run(toml, toml.parent / "run", lambda step: lambda what, share: None)
    assert not (toml.parent / "run").exists()
    [found] = refused.value.problems
    return str(found)


def test_a_bank_of_which_all_is_well(tmp_path: Path) -> None:
    start_run(write_bank(tmp_path), tmp_path / "run", lambda step: lambda what, share: None)
    assert (tmp_path / "run" / "manifest.json").exists()


# The last day is 2024-07-18 (day 199), so that the cutoffs are 30, 60, 90 and 120 days before it.
@pytest.mark.parametrize(
    ("silent", "window", "first", "last"),
    [
        (range(170, 200), "the test window", "2024-06-18", "2024-07-18"),
        (range(140, 170), "the ranking window 2", "2024-05-19", "2024-06-18"),
        (range(110, 140), "the ranking window 1", "2024-04-19", "2024-05-19"),
        (range(80, 110), "the window that chooses the epochs", "2024-03-20", "2024-04-19"),
    ],
)
def test_a_window_in_which_nothing_is_acquired(
    tmp_path: Path, silent: range, window: str, first: str, last: str
) -> None:
    told = problem(write_bank(tmp_path, events=dict.fromkeys(silent, "view")))
    assert told.startswith(f"interactions.csv: nobody acquires a new product after {first} until {last}, {window}; ")
    assert "acquisitions run from 2024-01-01 to" in told and "set data.windows.test_cutoff" in told


def test_a_rule_that_leaves_nothing_to_anybody(tmp_path: Path) -> None:
    told = problem(write_bank(tmp_path, tolerance=1))
    assert "the rule 'too risky' leaves no product to anybody: customers' risk_tolerance is 1 to 1, products'" in told
    assert "risk_level is 2 to 2" in told


def test_min_holdings_that_exclude_all(tmp_path: Path) -> None:
    told = problem(write_bank(tmp_path, TOML.replace("ranking_windows = 2", "ranking_windows = 2\nmin_holdings = 1")))
    assert "acquisitions are of customers who held fewer than 1 products before" in told
    assert "lower data.windows.min_holdings, or set retrieval.leave_one_out above 0" in told


def test_a_history_of_one_day(tmp_path: Path) -> None:
    toml = write_bank(tmp_path)
    rows = (tmp_path / "interactions.csv").read_text().splitlines()
    same = [rows[0], *(",".join([*row.split(",")[:2], FIRST, "open"]) for row in rows[1:])]
    (tmp_path / "interactions.csv").write_text("\n".join(same) + "\n")
    # 30 days each of the test, two ranking windows and the one that chooses the epochs, and a stride of 30.
    assert "the interactions all lie on one day, 2024-01-01, and the windows need 150 days of them" in problem(toml)


def test_a_misspelt_word_of_a_rule(tmp_path: Path) -> None:
    rule = '[[data.policy.rules]]\nholds = "product_id"\nvalue = ["p1", "p33"]\nat_most = 0\nreason = "has another"\n'
    told = problem(write_bank(tmp_path, TOML + rule))
    assert "no row of products has 'p33' in product_id; did you mean 'p3'?" in told


def test_a_rule_about_holdings_that_leaves_nothing_to_anybody(tmp_path: Path) -> None:
    rule = '[[data.policy.rules]]\nholds = "product_id"\nvalue = "p1"\nat_least = 2\nreason = "one is not enough"\n'
    told = problem(write_bank(tmp_path, TOML + rule))
    assert "the rule 'one is not enough' leaves no product to anybody: the value is p1" in told

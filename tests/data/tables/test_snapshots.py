"""Monthly snapshots of what customers hold, as interactions that are known by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nextbest.data.config import DataConfig, WindowsConfig
from nextbest.data.dataset import ACQUIRE, HELD, RELEASE, Dataset
from nextbest.data.errors import InputError
from nextbest.data.snapshot import take_snapshot
from nextbest.data.tables.columns import table_at
from nextbest.data.tables.infer_config import Inference, infer_config
from nextbest.data.tables.load import load_dataset
from nextbest.data.tables.snapshots import are_snapshots, pattern_of

PRODUCTS = ("card", "fund", "loan")
KINDS = {ACQUIRE: "acquire", RELEASE: "release", HELD: "held"}

Row = tuple[str, str, str]
"""Customer, month, and what is held: letters of c, f and l; a letter in brackets is not known."""

STORY: Sequence[Row] = (
    ("ann", "2024-01", "c"),
    ("ann", "2024-02", "cf"),
    ("ann", "2024-03", "f"),
    ("bob", "2024-01", "c"),
    # Bob has no row of February: nothing is known of it, and his card goes on.
    ("bob", "2024-03", "cl"),
    ("cat", "2024-02", "f"),  # she comes later, with an acquisition
    ("dan", "2024-01", "c"),  # he leaves and comes back without the card
    ("dan", "2024-04", "l"),
    ("eve", "2024-01", ""),
    ("eve", "2024-02", "c"),
    ("eve", "2024-03", ""),
    ("eve", "2024-04", "c"),
)
HAPPENED = {
    ("ann", "card", "2024-01-31", "held"),
    ("ann", "fund", "2024-02-29", "acquire"),
    ("ann", "card", "2024-03-31", "release"),
    ("bob", "card", "2024-01-31", "held"),
    ("bob", "loan", "2024-03-31", "acquire"),
    ("cat", "fund", "2024-02-29", "acquire"),
    ("dan", "card", "2024-01-31", "held"),
    ("dan", "card", "2024-04-30", "release"),
    ("dan", "loan", "2024-04-30", "acquire"),
    ("eve", "card", "2024-02-29", "acquire"),
    ("eve", "card", "2024-03-31", "release"),
    ("eve", "card", "2024-04-30", "acquire"),
}


def config(**interactions: object) -> DataConfig:
    source = {
        "path": "snapshots.csv",
        "kind": "snapshots",
        "customer_id": "who",
        "timestamp": "month",
        "date_format": "yyyy-mm",
        **interactions,
    }
    tables = {"customers": {"path": "customers.csv", "id": "who"}, "products": {"path": "products.csv", "id": "what"}}
    return DataConfig.model_validate({**tables, "interactions": source})


def write(folder: Path, header: str, rows: Sequence[str], customers: Sequence[str]) -> None:
    (folder / "customers.csv").write_text("who\n" + "".join(f"{name}\n" for name in customers))
    (folder / "products.csv").write_text("what\n" + "".join(f"{name}\n" for name in PRODUCTS))
    (folder / "snapshots.csv").write_text("\n".join([header, *rows]) + "\n")


def write_wide(folder: Path, story: Sequence[Row]) -> DataConfig:
    """Write a row per customer and month, a column per product."""

    def cell(held: str, letter: str) -> str:
        return "" if f"({letter})" in held else str(int(letter in held))

    rows = [f"{who},{month},x,{','.join(cell(held, name[0]) for name in PRODUCTS)}" for who, month, held in story]
    write(folder, f"who,month,segment,{','.join(PRODUCTS)}", rows, sorted({row[0] for row in story}))
    return config(products=["card", "fu*", "?oan"])


def write_long(folder: Path, story: Sequence[Row]) -> DataConfig:
    """Write a row per customer, month and product, with the amount held."""
    rows = [f"{who},{month},{name},{100 * (name[0] in held)}" for who, month, held in story for name in PRODUCTS]
    write(folder, "who,month,what,amount", rows, sorted({row[0] for row in story}))
    return config(product_id="what", held="amount")


def happened(dataset: Dataset) -> set[tuple[str, str, str, str]]:
    found = dataset.interactions
    return {
        (dataset.customers.ids[customer], dataset.products.ids[product], str(np.datetime64(int(day), "D")), KINDS[kind])
        for customer, product, day, kind in zip(found.customer, found.product, found.day, found.kind, strict=True)
    }


@pytest.mark.parametrize("write_story", [write_wide, write_long])
def test_a_story(tmp_path: Path, write_story: object) -> None:
    dataset = load_dataset(write_story(tmp_path, STORY), tmp_path)  # type: ignore[operator]
    assert happened(dataset) == HAPPENED and len(dataset.interactions) == len(HAPPENED)


def test_rows_that_say_what_is_held_alone(tmp_path: Path) -> None:
    # Without a row for what is not held, a month in which nothing is held is not known.
    rows = [f"{who},{month},{name}" for who, month, held in STORY for name in PRODUCTS if name[0] in held]
    write(tmp_path, "who,month,what", rows, ["ann", "bob", "cat", "dan", "eve"])
    found = happened(load_dataset(config(product_id="what"), tmp_path))
    assert found == HAPPENED - {("eve", "card", "2024-03-31", "release"), ("eve", "card", "2024-04-30", "acquire")}


def test_a_value_that_is_missing_is_the_last_one(tmp_path: Path) -> None:
    story = (
        ("ann", "2024-01", "cf"),
        ("ann", "2024-02", "(c)f"),
        ("ann", "2024-03", "(c)(l)"),
        ("bob", "2024-01", "(c)"),
    )
    story = (*story, ("bob", "2024-02", "l"))
    assert happened(load_dataset(write_wide(tmp_path, story), tmp_path)) == {
        ("ann", "card", "2024-01-31", "held"),
        ("ann", "fund", "2024-01-31", "held"),
        ("ann", "fund", "2024-03-31", "release"),
        ("bob", "loan", "2024-02-29", "acquire"),
    }


def test_what_is_held_is_what_the_last_rows_say(tmp_path: Path) -> None:
    dataset = load_dataset(write_wide(tmp_path, STORY), tmp_path)
    snapshot = take_snapshot(dataset, int(dataset.interactions.day[-1]), WindowsConfig())
    held = {
        dataset.customers.ids[row]: {dataset.products.ids[place] for place in snapshot.holdings[row].indices}
        for row in range(len(dataset.customers))
    }
    assert held == {"ann": {"fund"}, "bob": {"card", "loan"}, "cat": {"fund"}, "dan": {"loan"}, "eve": {"card"}}
    for history, anns in ((snapshot.recent, ["fund"]), (snapshot.closed, ["card"])):  # the card she had from the start
        assert [dataset.products.ids[place] for place in history.products[0] if place >= 0] == anns


@pytest.mark.parametrize(
    ("rows", "changed", "says"),
    [
        (["ann,2024-01,x,1,0,0", "ann,2024-01,x,1,0,0"], {}, "line 3: the customer has two rows of 2024-01-31"),
        (["ann,2024-01,x,2,0,0"], {}, "column 'card', line 2: '2' is neither true nor false"),
        (["ann,2024-01,x,1,0,0"], {"products": ["ind_*"]}, "no column matches products = ['ind_*']"),
        (["ann,2024-01,x,1,0,0"], {"products": ["s*"]}, "column 'segment': the column is no product of products.csv"),
        (["zoe,2024-01,x,1,0,0"], {}, "'zoe' is not in customers.csv"),
        (["ann,2024-01,x,1,0,0"], {}, "no acquisition of a known customer and product is left"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, rows: list[str], changed: dict[str, object], says: str) -> None:
    write(tmp_path, "who,month,segment,card,fund,loan", rows, ["ann"])
    with pytest.raises(InputError) as refused:
        load_dataset(config(**{"products": ["card", "fund", "loan"], **changed}), tmp_path)
    assert says in str(refused.value)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(
    st.dictionaries(
        st.tuples(st.sampled_from("ab"), st.integers(1, 6)), st.text("cfl", max_size=3), min_size=1, max_size=12
    )
)
def test_the_last_snapshot_is_what_is_held(tmp_path: Path, held: dict[tuple[str, int], str]) -> None:
    story = [(who, f"2024-0{month}", letters) for (who, month), letters in held.items()]
    for write_story in (write_wide, write_long):
        try:
            dataset = load_dataset(write_story(tmp_path, story), tmp_path)
        except InputError as error:
            assert "no acquisition" in str(error)
            continue
        snapshot = take_snapshot(dataset, 30_000, WindowsConfig())
        for row, who in enumerate(dataset.customers.ids):
            last = max(month for name, month in held if name == who)
            found = {dataset.products.ids[place][0] for place in snapshot.holdings[row].indices}
            assert found == set(held[who, last])


def test_a_pattern_matches_the_products_alone() -> None:
    names = ["ind_card_fin", "ind_loan_fin"]
    assert pattern_of(names, ["id", *names]) == ("ind_*",)
    assert pattern_of(names, ["id", *names, "ind_new"]) == ("ind_*_fin",)
    assert pattern_of(names, ["id", *names, "ind_new_fin"]) == tuple(names)
    assert pattern_of(["card", "loan"], ["id", "card", "loan"]) == ("card", "loan")


def infer_from_a_row_per_product(folder: Path, held: str | None) -> Inference:
    """Write what forty customers hold on five month-ends; with a column for it, also what they do not hold."""
    rows = []
    for row in range(40):
        for month, day in enumerate(("2024-01-31", "2024-02-29", "2024-03-31", "2024-04-30", "2024-05-31")):
            owned = PRODUCTS[: 1 + (row + month) // 20]
            rows += [f"c{row:03d},{name},{day},{int(name in owned) * 99}" for name in PRODUCTS if held or name in owned]
    header = f"who,product_id,month,{held or 'balance'}"
    (folder / "holdings.csv").write_text("\n".join([header, *rows]) + "\n")
    (folder / "customers.csv").write_text("who,age\n" + "".join(f"c{row:03d},{20 + row}\n" for row in range(40)))
    (folder / "products.csv").write_text("product_id\n" + "".join(f"{name}\n" for name in PRODUCTS))
    tables = [table_at(folder / f"{name}.csv", folder) for name in ("customers", "products", "holdings")]
    return infer_config(*tables, folder)


@pytest.mark.parametrize("held", [None, "amount"])
def test_schema_recognises_a_row_per_product(tmp_path: Path, held: str | None) -> None:
    found = infer_from_a_row_per_product(tmp_path, held)
    source = found.config.interactions
    assert (source.kind, source.held, source.event, source.products) == ("snapshots", held, None, ())
    assert (source.customer_id, source.product_id, source.timestamp) == ("who", "product_id", "month")
    says = "a row says so where 'amount' is above 0" if held else "each row says so"
    assert f"interactions: read as what is held month by month, and {says}; correct kind and held" in found.doubts
    interactions = load_dataset(found.config, tmp_path).interactions
    # In the first month twenty customers hold one product and twenty two; four of each take one more later.
    assert np.bincount(interactions.kind, minlength=4)[[ACQUIRE, HELD]].tolist() == [8, 60]


def test_what_happens_every_month_is_no_snapshot() -> None:
    month_ends = np.array([30, 59, 90, 120])
    customer, when = np.repeat(np.arange(50), 4), np.tile(month_ends, 50)
    bought = np.tile([0, 1, 2, 3], 50)
    assert not are_snapshots(customer, bought, when)
    assert are_snapshots(customer, np.zeros(200, np.int64), when)
    assert not are_snapshots(customer, np.zeros(200, np.int64), when // 2)  # a fortnight apart
    assert not are_snapshots(customer[:2], bought[:2], when[:2])


def test_schema_recognises_a_column_per_product(tmp_path: Path) -> None:
    story = [(f"c{row:03d}", f"2024-0{month}", "cfl"[: row % 4]) for row in range(40) for month in (1, 2, 3)]
    write_wide(tmp_path, story)
    (tmp_path / "customers.csv").write_text((tmp_path / "snapshots.csv").read_text())  # one file for both
    paths = [tmp_path / f"{name}.csv" for name in ("customers", "products", "snapshots")]
    tables = [table_at(path, tmp_path) for path in paths]
    found = infer_config(*tables, tmp_path)
    assert not found.questions
    source = found.config.interactions
    assert (source.kind, source.customer_id, source.timestamp, source.date_format) == (
        "snapshots", "who", "month", "yyyy-mm"
    )  # fmt: skip
    assert source.products == PRODUCTS and source.event is None
    customers = found.config.customers
    assert (customers.as_of, list(customers.columns)) == ("month", ["segment"])
    for name in PRODUCTS:
        for file in paths:
            file.write_text(file.read_text().replace(name, f"ind_{name}"))
    assert infer_config(*tables, tmp_path).config.interactions.products == ("ind_*",)

import math
from collections import Counter, defaultdict
from datetime import date
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.fartrans import prepare as prepare_module
from benchmarks.fartrans.prepare import choose_windows, prepare
from benchmarks.fartrans.source import read_split
from nextbest.data.dataset import Dataset
from nextbest.data.errors import InputError
from nextbest.data.snapshot import take_snapshot
from nextbest.data.tables.load import load_dataset
from nextbest.data.windows import cut_windows, day_of, labels
from nextbest.evaluation.baselines import Popularity
from nextbest.evaluation.evaluate import rank_all
from nextbest.modelling.metrics import per_customer
from nextbest.pipeline.config import RunConfig, load_config
from nextbest.pipeline.evaluate import select_test_customers
from nextbest.pipeline.run import Run
from nextbest.pipeline.run_folder import RunFolder
from tests.benchmarks.fartrans.miniature import BUYS, CUSTOMERS, SPLITS, TESTS, command, write


def load(toml: Path) -> tuple[RunConfig, Dataset]:
    config = load_config(toml)
    return config, load_dataset(config.data, toml.parent)


# --- The tables


def test_customers_have_a_row_from_their_first_purchase_on_and_none_after_the_time_point(
    miniature: Path, tmp_path: Path
) -> None:
    prepare(miniature, 7, tmp_path / "out")
    assert (tmp_path / "out" / "customers.csv").read_text() == (
        "customer_id,as_of,customer_type,risk_level,investment_capacity\n"
        "ann,2019-01-02,Mass,Income,\n"
        "ann,2020-06-01,Premium,Balanced,CAP_LT30K\n"
        "bob,2019-04-01,,,\n"
        "bob,2020-03-01,Professional,,CAP_GT300K\n"
        "cid,2019-11-15,,,\n"
        "dan,2020-06-30,Mass,Conservative,CAP_LT30K\n"
    )


def test_products_are_there_when_they_are_bought_or_eligible(miniature: Path, tmp_path: Path) -> None:
    prepare(miniature, 7, tmp_path / "out")
    # NEW was bought by 06-30 and is eligible on it; TAKEN, bought in (2020-12-20, 2021-01-10], is unknown until 12-31.
    assert (tmp_path / "out" / "products.csv").read_text() == (
        "product_id,as_of,name,category,subcategory,market,sector,industry,market_country,market_class,eligible\n"
        "FUND,2018-01-02,Fund,MTF,Balanced,M2,,,,Private Securities,True\n"
        "GONE,2019-04-01,,,,,,,,,False\n"
        "GONE,2020-02-01,Gone,Bond,Corporate,M9,Corporate,,,,False\n"
        "NEW,2020-06-30,,,,,,,,,True\n"
        'STOCK,2018-01-02,"A, B & C",Stock,,M1,Energy,Oil,Greece,Public Securities,True\n'
        "TAKEN,2020-12-31,,,,,,,,,False\n"
    )


def test_interactions_are_what_may_be_known_and_what_is_tested(miniature: Path, tmp_path: Path) -> None:
    prepare(miniature, 7, tmp_path / "out")
    # Tests lie after the time point (GONE: the day after it) and not after the test's end (TAKEN).
    assert (tmp_path / "out" / "interactions.csv").read_text() == (
        "customer_id,product_id,timestamp\n"
        "ann,STOCK,2019-04-01\n"
        "bob,GONE,2019-04-01\n"
        "bob,STOCK,2019-08-01\n"
        "cid,FUND,2019-11-15\n"
        "cid,STOCK,2020-02-14\n"
        "ann,NEW,2020-06-30\n"
        "ann,GONE,2020-07-01\n"
        "bob,FUND,2020-07-20\n"
        "bob,TAKEN,2020-12-31\n"
    )
    assert (tmp_path / "out" / "test_customers.txt").read_text() == "ann\nbob\n"


def test_the_config_describes_the_tables_and_the_window(miniature: Path, tmp_path: Path) -> None:
    prepared = prepare(miniature, 7, tmp_path / "out")
    config, dataset = load(prepared.toml)
    assert config.data.windows == prepared.windows
    assert config.evaluation.main_metric == "ndcg@10"
    days = dataset.interactions.day
    windows = cut_windows(config.data.windows, int(days[0]), int(days[-1]), selection=False)
    assert windows.test.dates == (date(2020, 6, 30), date(2020, 12, 31))
    # The 456 days since 2019-04-01 would make five windows of 91, but the first would hold no purchase: four of 100 do.
    cutoffs = [date(2019, 5, 27), date(2019, 9, 4), date(2019, 12, 13), date(2020, 3, 22), date(2020, 6, 30)]
    assert [window.dates for window in windows.ranking] == list(pairwise(cutoffs))


def test_only_what_is_eligible_and_not_held_may_be_recommended(miniature: Path, tmp_path: Path) -> None:
    run = run_of(prepare(miniature, 7, tmp_path / "out").toml)
    snapshot = take_snapshot(run.history, run.windows.test.cutoff, run.config.data.windows)
    test_set = select_test_customers(run, snapshot, labels(run.dataset, run.history, run.windows.test))
    assert list(run.history.products.ids) == ["FUND", "GONE", "NEW", "STOCK"]
    assert list(run.history.customers.ids[test_set.customers]) == ["ann", "bob"]
    # ann holds STOCK and NEW; bob holds STOCK and GONE; GONE is not eligible.
    assert test_set.allowed(np.arange(2)).tolist() == [[True, False, False, False], [True, False, True, False]]
    # TAKEN was unknown at the time point, so nothing could have predicted it.
    assert test_set.relevant.toarray().tolist() == [[False, True, False, False], [True, False, False, False]]


def test_what_comes_after_the_time_point_changes_only_the_tests(miniature: Path, tmp_path: Path) -> None:
    prepare(miniature, 7, tmp_path / "before")
    write(miniature / "customer_information.csv", CUSTOMERS + "bob,Mass,Income,CAP_LT30K,2020-07-01,2020-07-01\n")
    write(miniature / "first_buys.csv.gz", BUYS + "dan,STOCK,2020-06-30,2020-07-10\nzoe,FUND,2020-07-02,2020-07-10\n")
    prepare(miniature, 7, tmp_path / "after")
    for name in ("customers.csv", "products.csv", "interactions.csv", "nextbest.toml", "test_customers.txt"):
        assert (tmp_path / "before" / name).read_bytes() == (tmp_path / "after" / name).read_bytes()


# --- The command line


def test_the_command_writes_a_split_and_says_what(
    miniature: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "out"
    assert command(monkeypatch, "prepare", miniature, "--split", 7, "--out", out) == 0
    output = capsys.readouterr()
    assert output.out == (
        f"wrote {out / 'nextbest.toml'}: 2 test customers after 2020-06-30, 4 ranking windows of 100 days before\n"
    )
    assert output.err == ""
    assert sorted(path.name for path in out.parent.iterdir()) == ["out"]
    assert sorted(path.name for path in out.iterdir()) == [
        "customers.csv",
        "interactions.csv",
        "nextbest.toml",
        "products.csv",
        "test_customers.txt",
    ]


@pytest.mark.parametrize(
    ("fix", "split", "message"),
    [
        ({}, 5, "splits.csv, column 'split': there is no split 5; it has 6, 7"),
        ({}, 6, "split 6: no purchase is known after the first day of the history, 2019-04-01; choose a later split"),
        ({"tests.csv.gz": TESTS.replace("7,", "8,")}, 7, "tests.csv.gz, column 'split': there is no split 7"),
        ({"eligible_assets.csv.gz": "split,ISIN\n6,STOCK\n"}, 7, "eligible_assets.csv.gz, column 'split': there is no"),
        ({"splits.csv": SPLITS + "7,2020-06-30,2020-12-31\n"}, 7, "split 7 occurs 2 times"),
        ({"splits.csv": SPLITS.replace("2020-12-31", "2020-06-30")}, 7, "the test of split 7 ends before it begins"),
        ({"first_buys.csv.gz": BUYS.replace("2020-02-14", "14.2.2020")}, 7, "'14.2.2020' is not a date"),
        ({"markets.csv": "marketID,country\nM1,Greece\n"}, 7, "column 'marketClass': the column is missing"),
    ],
)
def test_a_source_that_cannot_be_used_is_refused_and_nothing_is_written(
    fix: dict[str, str],
    split: int,
    message: str,
    miniature: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, text in fix.items():
        write(miniature / name, text)
    assert command(monkeypatch, "prepare", miniature, "--split", split, "--out", tmp_path / "out") == 2
    assert message in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["fartrans"]


def test_a_missing_folder_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(monkeypatch, "prepare", tmp_path / "none", "--split", 7, "--out", tmp_path / "out") == 2
    assert "there is no such folder" in capsys.readouterr().err


def test_all_missing_files_are_named_at_once(miniature: Path) -> None:
    for name in ("markets.csv", "tests.csv.gz"):
        (miniature / name).unlink()
    with pytest.raises(InputError) as refused:
        read_split(miniature, 7)
    assert [problem.file for problem in refused.value.problems] == [
        str(miniature / "markets.csv"),
        str(miniature / "tests.csv.gz"),
    ]


def test_a_folder_that_holds_something_is_left_alone(miniature: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("kept")
    with pytest.raises(InputError, match="not an empty folder"):
        prepare(miniature, 7, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]


def test_an_empty_folder_may_be_written_to(miniature: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    assert prepare(miniature, 7, tmp_path / "out").toml.is_file()


def test_what_fails_midway_leaves_nothing(miniature: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(split: object) -> None:
        raise MemoryError

    monkeypatch.setattr(prepare_module, "interaction_table", fail)  # the last of the three tables
    with pytest.raises(MemoryError):
        prepare(miniature, 7, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["fartrans"]


# --- The windows


@given(days=st.lists(st.integers(0, 1000), min_size=1).map(sorted), rest=st.integers(0, 400), test=st.integers(1, 400))
def test_windows_fit_into_any_history_or_it_is_refused(days: list[int], rest: int, test: int) -> None:
    known, time_point = np.array(days), days[-1] + rest
    try:
        windows = choose_windows(known, time_point, time_point + test)
    except ValueError:
        assert days[-1] == days[0]  # the first day stands for all that is older
        return
    cut = cut_windows(windows, days[0], time_point + test, selection=False)  # raises if they do not fit
    assert (cut.test.cutoff, cut.test.until) == (time_point, time_point + test)
    assert all(any(window.cutoff < day <= window.until for day in days) for window in cut.ranking)


def test_every_window_holds_purchases() -> None:
    # Of three windows of 100 days, or the last two, one holds nothing: days 101 to 200.
    windows = choose_windows(np.array([0, 50, 250, 300]), 300, 450)
    assert (windows.ranking_windows, windows.horizon_days) == (1, 300)
    windows = choose_windows(np.array([0, 50, 150, 300]), 300, 450)
    assert (windows.ranking_windows, windows.horizon_days) == (3, 100)


def test_a_long_history_gets_no_more_than_six_windows() -> None:
    windows = choose_windows(np.arange(1200), 1199, 1300)
    assert (windows.ranking_windows, windows.horizon_days) == (6, 100)


# --- The real data


def run_of(toml: Path) -> Run:
    return Run(load_config(toml), toml.parent, RunFolder(toml.parent / "run"), lambda step: lambda what, share: None)


def popularity_by_the_book(folder: Path, split: int) -> dict[str, float]:
    """Follow the protocol over the raw files, one customer at a time."""

    def read(name: str) -> pd.DataFrame:
        return pd.read_csv(folder / name, dtype=str, keep_default_na=False)

    number = str(split)
    time_point = read("splits.csv").set_index("split").loc[number, "time_point"]
    held, bought = defaultdict(set), Counter()
    for customer, isin, after, by in read("first_buys.csv.gz").itertuples(index=False):
        if after < time_point and by <= time_point:
            held[customer].add(isin)
            bought[isin] += 1
    eligible = read("eligible_assets.csv.gz").query("split == @number")["ISIN"]
    ranking = sorted(eligible, key=lambda isin: (-bought[isin], isin))
    tests = defaultdict(set)
    for customer, isin in (
        read("tests.csv.gz").query("split == @number")[["customerID", "ISIN"]].itertuples(index=False)
    ):
        tests[customer].add(isin)
    found = defaultdict(list)
    for customer, relevant in tests.items():
        recommended = [isin for isin in ranking if isin not in held[customer]][:10]
        places = [place for place, isin in enumerate(recommended, start=1) if isin in relevant]
        ideal = sum(1 / math.log2(place + 1) for place in range(1, min(10, len(relevant)) + 1))
        found["ndcg@10"].append(sum(1 / math.log2(place + 1) for place in places) / ideal)
        found["recall@10"].append(len(places) / len(relevant))
        found["mrr@10"].append(1 / places[0] if places else 0.0)
    return {name: float(np.mean(values)) for name, values in found.items()} | {"customers": len(tests)}


def test_the_prepared_tables_reproduce_the_protocol(fartrans: Path, tmp_path: Path) -> None:
    run = run_of(prepare(fartrans, 30, tmp_path / "out").toml)
    cutoff = run.windows.test.cutoff
    snapshot = take_snapshot(run.history, cutoff, run.config.data.windows)
    test_set = select_test_customers(run, snapshot, labels(run.dataset, run.history, run.windows.test))
    lists, _ = rank_all({"popularity": Popularity.fit(run.history, cutoff)}, test_set, run.config.evaluation)
    found = per_customer(lists["popularity"], test_set.relevant, (10,))
    expected = popularity_by_the_book(fartrans, 30)
    assert len(test_set) == expected.pop("customers")
    assert {name: found[name].mean() for name in expected} == pytest.approx(expected, abs=1e-9)
    # The reference of splits 0 to 34 together is 0.322 / 0.517 / 0.319, and this one lies close to it.
    assert expected == pytest.approx({"ndcg@10": 0.322, "recall@10": 0.517, "mrr@10": 0.319}, abs=0.005)


def test_windows_fit_into_every_split(fartrans: Path) -> None:
    splits = pd.read_csv(fartrans / "splits.csv", parse_dates=["time_point", "test_end"])
    known = np.sort(read_split(fartrans, int(splits["split"].iloc[-1])).training["day"].to_numpy())
    for _, *dates in splits.itertuples(index=False):
        time_point, test_end = (day_of(when.date()) for when in dates)
        days = known[known <= time_point]
        windows = choose_windows(days, time_point, test_end)
        cut_windows(windows, int(days[0]), test_end, selection=False)  # raises if they do not fit

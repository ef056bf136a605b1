"""The tiny bank, read into arrays whose values are known by hand; and everything that can be wrong with a value."""

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nextbest.data.config import ColumnConfig, DataConfig, EntityConfig
from nextbest.data.dataset import ACQUIRE, ALWAYS, REFUSE, RELEASE, SIGNAL, Interactions
from nextbest.data.errors import EXAMPLES, InputError
from nextbest.data.tables.load import load_dataset, read_customers, read_outcomes
from nextbest.data.tables.raw_table import MISSING, MISSING_STRINGS
from tests.data.table_files import CUSTOMERS, INTERACTIONS, PRODUCTS, problems_of, write_bank

NEW_YEAR_2023 = 19_358  # 53 years: 53 * 365 + 13 leap days (1972, 1976, ... 2020)


def test_entities_are_sorted_by_id_and_typed_by_role(tmp_path: Path) -> None:
    customers = load_dataset(write_bank(tmp_path), tmp_path).customers
    assert customers.ids.tolist() == ["C1", "C2", "C3"]
    assert customers.row_entity.tolist() == [0, 1, 2]
    assert customers.row_day.tolist() == [ALWAYS] * 3
    np.testing.assert_array_equal(customers.columns["income"], np.float32([2000, np.nan, 1000.5]))
    np.testing.assert_array_equal(customers.columns["has_app"], np.float32([0, np.nan, 1]))
    # 1980-12-31: 11 years with 3 leap days less one day; 1990-01-02: 20 years with 5 leap days and one day.
    np.testing.assert_array_equal(customers.columns["born"], np.float32([11 * 365 + 3 - 1, np.nan, 20 * 365 + 5 + 1]))
    assert customers.columns["segment"].tolist() == ["private", "retail", "retail"]
    assert customers.columns["note"].tolist() == ["", "", "likes funds"]
    assert {values.dtype for values in customers.columns.values()} == {np.dtype(np.float32), np.dtype(object)}


def test_interactions_are_sorted_by_day_customer_product(tmp_path: Path) -> None:
    interactions = load_dataset(write_bank(tmp_path), tmp_path).interactions
    assert interactions.day.tolist() == [NEW_YEAR_2023] + [NEW_YEAR_2023 + 1] * 3
    assert interactions.customer.tolist() == [0, 0, 0, 2]
    assert interactions.product.tolist() == [0, 0, 1, 0]  # card is 0, loan is 1
    assert interactions.kind.tolist() == [SIGNAL, ACQUIRE, ACQUIRE, RELEASE]
    assert interactions.weight.tolist() == [1.0] * 4
    assert [values.dtype for values in vars(interactions).values()] == [
        np.int32,
        np.int32,
        np.int32,
        np.int8,
        np.float32,
    ]


def test_ids_stay_as_they_stand(tmp_path: Path) -> None:
    config = write_bank(
        tmp_path,
        customers=CUSTOMERS.replace("C1", "007").replace("C2", "7").replace("C3", "NA"),
        interactions=INTERACTIONS.replace("C1", "007").replace("C3", "NA"),
    )
    assert load_dataset(config, tmp_path).customers.ids.tolist() == ["007", "7", "NA"]


def test_rows_with_as_of_are_sorted_by_entity_and_day(tmp_path: Path) -> None:
    rows = "loan,1,2023-01-03\ncard,2,2023-01-02\nloan,3,2023-01-01\n"
    config = write_bank(tmp_path, products="product_id,risk,since\n" + rows)
    source = config.products.model_copy(update={"as_of": "since"})
    products = load_dataset(config.model_copy(update={"products": source}), tmp_path).products
    assert products.row_entity.tolist() == [0, 1, 1]
    assert (products.row_day - NEW_YEAR_2023).tolist() == [1, 0, 2]
    assert products.columns["risk"].tolist() == [2, 3, 1]


def one_event(folder: Path, day: str, **notation: str) -> DataConfig:
    """Write the tiny bank with one interaction, of this day, and return its config."""
    config = write_bank(folder, interactions=f"customer_id,product_id,timestamp,event\nC1,loan,{day},open\n")
    return config.model_copy(update={"interactions": config.interactions.model_copy(update=notation)})


@pytest.mark.parametrize(
    ("text", "zone", "day"),
    [
        ("2023-01-01T00:30:00+02:00", None, 0),  # the day that is written
        ("2022-12-31T23:30:00-01:00", None, -1),
        ("2022-12-31 23:59:59", None, -1),
        ("2023-01-01T00:00Z", None, 0),
        (" 2023-01-01 ", None, 0),
        ("2022-12-31T23:30:00Z", "Europe/Vienna", 0),  # half past midnight there
        ("2023-01-01T00:30:00+02:00", "Europe/Lisbon", -1),
        ("2023-01-01 00:30:00", "America/New_York", 0),  # it states no zone, and so counts there
    ],
)
def test_times_become_days(tmp_path: Path, text: str, zone: str | None, day: int) -> None:
    config = one_event(tmp_path, text, **({"time_zone": zone} if zone else {}))
    assert load_dataset(config, tmp_path).interactions.day.tolist() == [NEW_YEAR_2023 + day]


def test_times_with_and_without_a_zone_may_stand_in_one_column(tmp_path: Path) -> None:
    rows = "C1,loan,2023-01-02T23:30:00-02:00,open\nC1,card,2023-01-01 23:30,open\nC3,card,2023-01-01,open\n"
    config = write_bank(tmp_path, interactions="customer_id,product_id,timestamp,event\n" + rows)
    interactions = load_dataset(config, tmp_path).interactions
    assert interactions.day.tolist() == [NEW_YEAR_2023, NEW_YEAR_2023, NEW_YEAR_2023 + 1]
    assert interactions.product.tolist() == [0, 0, 1]  # card, card, loan


def test_an_unknown_time_zone_is_named(tmp_path: Path) -> None:
    [problem] = problems_of(one_event(tmp_path, "2023-01-01T00:00Z", time_zone="Europe/Atlantis"), tmp_path)
    assert (problem.column, problem.what) == ("timestamp", "the time zone 'Europe/Atlantis' is not known here")


@pytest.mark.parametrize(
    ("date_format", "text"),
    [
        ("dd.mm.yyyy", "01.01.2023"),
        ("dd.mm.yyyy", "1.1.2023 17:05"),
        ("dd.mm.yyyy", "2023-01-01"),  # ISO's cannot be mistaken
        ("mm/dd/yyyy", "01/01/2023"),
        ("dd-mmm-yy", "01-JAN-23"),
        ("yyyymmdd", "20230101"),
        ("epoch_s", "1672531200"),
        ("epoch_ms", "1672617599999"),  # the day's last millisecond
    ],
)
def test_dates_have_many_notations(tmp_path: Path, date_format: str, text: str) -> None:
    config = one_event(tmp_path, text, date_format=date_format)
    assert load_dataset(config, tmp_path).interactions.day.tolist() == [NEW_YEAR_2023]


@pytest.mark.parametrize(
    ("date_format", "text"), [("yyyy-mm", "2022-12"), ("mm.yyyy", "12.2022"), ("yyyymm", "202212")]
)
def test_a_month_stands_for_its_last_day(tmp_path: Path, date_format: str, text: str) -> None:
    config = one_event(tmp_path, text, date_format=date_format)
    assert load_dataset(config, tmp_path).interactions.day.tolist() == [NEW_YEAR_2023 - 1]


@pytest.mark.parametrize(
    ("text", "what", "remedy"),
    [
        ("31/12/2022", "'31/12/2022' is not a date", 'set date_format = "dd/mm/yyyy" for the table'),
        ("03/04/2022", "'03/04/2022' is not a date", 'set date_format = "dd/mm/yyyy" or "mm/dd/yyyy" for the table'),
        ("1672531200000", "'1672531200000' is not a date", 'set date_format = "epoch_ms" for the table'),
        ("20221231", "'20221231' is not a date", 'set date_format = "yyyymmdd" for the table'),
    ],
)
def test_the_notation_of_dates_is_named(tmp_path: Path, text: str, what: str, remedy: str) -> None:
    [problem] = problems_of(one_event(tmp_path, text), tmp_path)
    assert problem.what == what and problem.remedy.startswith(remedy)


def test_whole_numbers_may_be_dates(tmp_path: Path) -> None:
    interactions = pa.table(
        {"customer_id": ["C1"], "product_id": ["card"], "timestamp": [1_672_531_200_000], "event": ["open"]}
    )
    config = _as_parquet(write_bank(tmp_path), tmp_path, interactions=interactions)
    [problem] = problems_of(config, tmp_path)
    assert problem.what == "the column holds int64, not dates"
    assert problem.remedy == 'set date_format = "epoch_ms" for the table in the config'
    source = config.interactions.model_copy(update={"date_format": "epoch_ms"})
    config = config.model_copy(update={"interactions": source})
    assert load_dataset(config, tmp_path).interactions.day.tolist() == [NEW_YEAR_2023]


@pytest.mark.parametrize(
    ("decimal", "text", "number"),
    [
        (",", "1.234,5", 1234.5),
        (",", "0,25", 0.25),
        (",", "1 234,5", 1234.5),
        (",", "-7", -7),
        (",", "1.234", 1234),
        (".", "1,234.5", 1234.5),
        (".", "1'234.5", 1234.5),
        (None, "1 234.5", 1234.5),
        (None, "12.5 %", 12.5),
        (None, "1.234", 1.234),
    ],
)
def test_numbers_have_many_notations(tmp_path: Path, decimal: str | None, text: str, number: float) -> None:
    config = write_bank(tmp_path, customers=CUSTOMERS.replace("1000.5", f'"{text}"').replace("2000", ""))
    source = config.customers.model_copy(update={"decimal": decimal})
    income = load_dataset(config.model_copy(update={"customers": source}), tmp_path).customers.columns["income"]
    np.testing.assert_array_equal(income, np.float32([np.nan, np.nan, number]))


@pytest.mark.parametrize(
    ("decimal", "text", "what"),
    [
        (None, "1,234", "'1,234' has a comma, which may be a decimal comma"),
        (",", "1.234.5", "'1.234.5' is not a number"),
        (",", "1234.5", "'1234.5' is not a number"),
        (".", "1.234,5", "'1.234,5' has a comma, which may be a decimal comma"),
    ],
)
def test_numbers_that_could_be_two_are_refused(tmp_path: Path, decimal: str | None, text: str, what: str) -> None:
    config = write_bank(tmp_path, customers=CUSTOMERS.replace("1000.5", f'"{text}"').replace("2000", ""))
    source = config.customers.model_copy(update={"decimal": decimal})
    [problem] = problems_of(config.model_copy(update={"customers": source}), tmp_path)
    assert problem.what == what


def test_words_for_a_missing_value(tmp_path: Path) -> None:
    words = CUSTOMERS.replace("2000", "\\N").replace("false", "-").replace("1980-12-31", "?").replace("private", "NULL")
    columns = load_dataset(write_bank(tmp_path, customers=words), tmp_path).customers.columns
    assert [bool(np.isnan(columns[name][0])) for name in ("income", "has_app", "born")] == [True] * 3
    assert columns["segment"].tolist() == ["", "retail", "retail"]
    config = write_bank(tmp_path, customers=CUSTOMERS.replace("2000", "unknown").replace("private", "Unknown"))
    source = config.customers.model_copy(update={"missing": ("unknown",)})
    columns = load_dataset(config.model_copy(update={"customers": source}), tmp_path).customers.columns
    assert np.isnan(columns["income"][0]) and columns["segment"][0] == ""


def test_ids_and_words_have_no_blanks_around_them(tmp_path: Path) -> None:
    config = write_bank(
        tmp_path,
        customers=CUSTOMERS.replace("C1,", "C1  ,").replace("private", "private "),
        interactions=INTERACTIONS.replace("loan", " loan"),
    )
    customers = load_dataset(config, tmp_path).customers
    assert customers.ids.tolist() == ["C1", "C2", "C3"] and customers.columns["segment"][0] == "private"


@pytest.mark.parametrize(
    ("replaced", "what"),
    [
        (("C", "000C"), "4 of 4 rows name nothing that is in customers.csv: here they are spelt '000C1', there 'C1'"),
        (("C", "c"), "4 of 4 rows name nothing that is in customers.csv: here they are spelt 'c1', there 'C1'"),
        (("C", "C-"), "4 of 4 rows name nothing that is in customers.csv: here they are spelt 'C-1', there 'C1'"),
    ],
)
def test_two_spellings_of_ids_are_one_problem(tmp_path: Path, replaced: tuple[str, str], what: str) -> None:
    header, rows = INTERACTIONS.split("\n", 1)
    [problem] = problems_of(write_bank(tmp_path, interactions=f"{header}\n{rows.replace(*replaced)}"), tmp_path)
    assert (problem.column, problem.what) == ("customer_id", what)


def _as_parquet(config: DataConfig, folder: Path, **tables: pa.Table) -> DataConfig:
    for name, table in tables.items():
        pq.write_table(table, folder / f"{name}.parquet")
        source = getattr(config, name).model_copy(update={"path": f"{name}.parquet"})
        config = config.model_copy(update={name: source})
    return config


def test_parquet_types_take_the_same_way(tmp_path: Path) -> None:
    second = pa.array([1_672_523_999, 1_672_524_000], pa.timestamp("s", tz="Europe/Athens"))  # the turn of 2023 there
    config = _as_parquet(
        write_bank(tmp_path),
        tmp_path,
        customers=pa.table(
            {
                "customer_id": pa.array([10, 9], pa.int64()),
                "income": pa.array([None, 1], pa.decimal128(5, 2)),
                "segment": pa.array(["b", None]).dictionary_encode(),
                "has_app": [True, None],
                "born": pa.array([None, 1], pa.date32()),
            }
        ),
        interactions=pa.table(
            {"customer_id": ["9", "10"], "product_id": ["card"] * 2, "timestamp": second, "event": ["open"] * 2}
        ),
    )
    dataset = load_dataset(config, tmp_path)
    assert dataset.customers.ids.tolist() == ["10", "9"]
    assert dataset.interactions.day.tolist() == [NEW_YEAR_2023 - 1, NEW_YEAR_2023]
    assert dataset.interactions.customer.tolist() == [1, 0]
    columns = dataset.customers.columns
    np.testing.assert_array_equal(columns["income"], np.float32([np.nan, 1]))
    np.testing.assert_array_equal(columns["has_app"], np.float32([1, np.nan]))
    np.testing.assert_array_equal(columns["born"], np.float32([np.nan, 1]))
    assert columns["segment"].tolist() == ["b", ""]
    assert columns["note"].tolist() == ["", ""]


def test_parquet_problems_name_the_row_and_the_type(tmp_path: Path) -> None:
    customers = pa.table(
        {
            "customer_id": pa.array([1.0, 2.5]),
            "income": pa.array([1.0, float("inf")]),
            "segment": pa.array([["a"], ["b"]]),
            "has_app": pa.array([1, 2]),
            "born": pa.array([10**15, 0], pa.timestamp("ms")),
        }
    )
    config = _as_parquet(write_bank(tmp_path), tmp_path, customers=customers)
    found = {(problem.column, problem.row, problem.unit) for problem in problems_of(config, tmp_path)[:5]}
    assert found == {
        ("customer_id", None, "line"),  # 2.5 is no id
        ("income", 2, "row"),
        ("segment", None, "line"),
        ("has_app", 2, "row"),
        ("born", 1, "row"),
    }


@pytest.mark.parametrize(
    ("table", "old", "new", "column", "line", "what", "remedy"),
    [
        ("customers", "income,", "incomes,", "income", None, "missing", "did you mean 'incomes'?"),
        ("customers", ",2000,", ",abc,", "income", 3, "'abc' is not a number", "write a number"),
        ("customers", "1000.5", '"1.000,5"', "income", 2, "'1.000,5' has a comma", "decimal point"),
        ("customers", ",2000,", ",-inf,", "income", 3, "'-inf' is infinite", "finite"),
        ("customers", ",2000,", ",1e39,", "income", 3, "'1e39' is infinite or too large", "finite"),
        ("customers", "C2,", "C1,", "customer_id", 4, "the id 'C1' stands on line 3 already", "keep one"),
        ("customers", "C2,", ",", "customer_id", 4, "the id is missing", "an id"),
        ("customers", "1980-12-31", "2023-02-30", "born", 3, "'2023-02-30' does not exist", "calendar"),
        ("customers", "1980-12-31", "0200-01-01", "born", 3, "'0200-01-01' is not a plausible date", "1900 to 2199"),
        (
            "customers",
            "1980-12-31",
            "9999-12-31",
            "born",
            3,
            "'9999-12-31' is not a plausible date",
            "leave the value empty",
        ),
        ("customers", "1980-12-31", "31.12.1980", "born", 3, "'31.12.1980' is not a date", "dd.mm.yyyy"),
        ("customers", "1980-12-31", "soon", "born", 3, "'soon' is not a date", "YYYY-MM-DD"),
        ("customers", ",false,", ",maybe,", "has_app", 3, "'maybe' is neither true nor false", "true or false"),
        ("interactions", "C3,", "C9,", "customer_id", 4, "'C9' is not in customers.csv", "add it there"),
        ("interactions", "loan,", "lone,", "product_id", 2, "'lone' is not in products.csv", "add it there"),
        ("interactions", "2023-01-01", "", "timestamp", 3, "the date is missing", "date"),
        ("interactions", "view", "", "event", 3, "the event is missing", "name what happened"),
        ("interactions", "open", "buy", "event", None, "no event is one of acquire = ['open']", "'buy'"),
    ],
)
def test_bad_values_are_named(
    tmp_path: Path, table: str, old: str, new: str, column: str, line: int | None, what: str, remedy: str
) -> None:
    text = {"customers": CUSTOMERS, "products": PRODUCTS, "interactions": INTERACTIONS}[table]
    assert old in text
    config = write_bank(tmp_path, **{table: text.replace(old, new)})
    problem = problems_of(config, tmp_path)[0]
    assert (problem.file, problem.column, problem.row) == (str(tmp_path / f"{table}.csv"), column, line)
    assert what in problem.what
    assert remedy in problem.remedy
    place = f"{tmp_path / table}.csv, column {column!r}" + (f", line {line}" if line else "")
    assert str(problem).startswith(f"{place}: ")


def test_a_wrong_type_in_row_7_is_found_past_blank_lines_and_quoted_line_breaks(tmp_path: Path) -> None:
    rows = [f"C{row},{row},retail,true,1990-01-01,fine" for row in range(1, 10)]
    rows[1] = 'C2,2,retail,true,1990-01-01,"two\nlines"'
    rows[6] = rows[6].replace(",7,", ",seven,")
    header = CUSTOMERS.splitlines()[0]
    config = write_bank(tmp_path, customers="\n".join([header, *rows[:4], "", *rows[4:]]))
    [problem] = problems_of(config, tmp_path)
    # The header, 6 rows, one more line in a quoted value and a blank line come before it: 1 + 6 + 1 + 1 = 9.
    assert (problem.column, problem.row, problem.unit) == ("income", 10, "line")
    assert (tmp_path / "customers.csv").read_text().splitlines()[9] == rows[6]


def test_all_problems_of_all_tables_are_reported_at_once(tmp_path: Path) -> None:
    config = write_bank(
        tmp_path,
        customers=CUSTOMERS.replace("2000", "x").replace("false", "y").replace("segment", "segmnt"),
        products="product_id\nloan\ncard\n",
        interactions=INTERACTIONS.replace("2023-01-01", "soon").replace("C3", "C4"),
    )
    found = [(Path(problem.file).name, problem.column) for problem in problems_of(config, tmp_path)]
    assert found == [
        ("customers.csv", "segment"),
        ("customers.csv", "income"),
        ("customers.csv", "has_app"),
        ("products.csv", "risk"),
        ("interactions.csv", "customer_id"),
        ("interactions.csv", "timestamp"),
    ]


def test_many_alike_are_counted_and_not_all_shown(tmp_path: Path) -> None:
    rows = "".join(f"p{row},high\n" for row in range(1000))
    config = write_bank(tmp_path, products="product_id,risk\n" + rows, interactions=INTERACTIONS)
    alike = [problem for problem in problems_of(config, tmp_path) if problem.column == "risk"]
    assert len(alike) == EXAMPLES + 1
    assert "1,000 in all" in alike[-1].what


def test_a_negative_weight_is_named(tmp_path: Path) -> None:
    rows = "C1,loan,2023-01-01,-2\nC1,card,2023-01-01,\nC3,card,2023-01-01,2.5\n"
    config = write_bank(tmp_path, interactions="customer_id,product_id,timestamp,w\n" + rows)
    source = config.interactions.model_copy(update={"event": None, "weight": "w"})
    config = config.model_copy(update={"interactions": source})
    [problem] = problems_of(config, tmp_path)
    assert (problem.column, problem.row, problem.what) == ("w", 2, "the weight -2 is negative")
    write_bank(tmp_path, interactions="customer_id,product_id,timestamp,w\n" + rows.replace("-2", "2"))
    interactions = load_dataset(config, tmp_path).interactions
    assert interactions.weight.tolist() == [1.0, 2.0, 2.5]  # C1's card, C1's loan, C3's card
    assert interactions.kind.tolist() == [ACQUIRE] * 3  # without an event column all are


def test_two_rows_of_one_day_are_duplicates(tmp_path: Path) -> None:
    config = write_bank(
        tmp_path,
        products="product_id,risk,since\nloan,1,2023-01-03 08:00\ncard,1,2023-01-03\nloan,3,2023-01-03 09:00\n",
    )
    source = config.products.model_copy(update={"as_of": "since"})
    [problem] = problems_of(config.model_copy(update={"products": source}), tmp_path)
    assert (problem.column, problem.row) == ("product_id", 4)
    assert problem.what == "the id 'loan' of 2023-01-03 stands on line 2 already"


def test_rows_of_unknown_ids_may_be_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = write_bank(tmp_path, interactions=INTERACTIONS + "C9,loan,2023-01-03,open\nC1,boat,2023-01-03,open\n")
    assert {problem.column for problem in problems_of(config, tmp_path)} == {"customer_id", "product_id"}
    source = config.interactions.model_copy(update={"unknown": "drop"})
    config = config.model_copy(update={"interactions": source})
    monkeypatch.setattr(logging.getLogger("nextbest"), "handlers", [caplog.handler])
    assert len(load_dataset(config, tmp_path).interactions) == 4
    assert "left out 1 rows of unknown customers, and 1 of unknown products" in caplog.text
    write_bank(tmp_path, interactions="customer_id,product_id,timestamp,event\nC9,loan,2023-01-03,open\n")
    assert "no acquisition of a known customer and product is left" in problems_of(config, tmp_path)[0].what


def test_a_row_counts_from_the_day_on_which_it_was_recorded(tmp_path: Path) -> None:
    rows = "C1,loan,2023-01-02,open,2023-01-09\nC1,card,2023-01-05,open,2023-01-04\n"
    config = write_bank(tmp_path, interactions="customer_id,product_id,timestamp,event,booked\n" + rows)
    source = config.interactions.model_copy(update={"recorded_at": "booked"})
    interactions = load_dataset(config.model_copy(update={"interactions": source}), tmp_path).interactions
    assert (interactions.day - NEW_YEAR_2023).tolist() == [4, 8]  # the card as it is dated, the loan as it was recorded
    source = config.interactions.model_copy(update={"lag_days": 3})
    interactions = load_dataset(config.model_copy(update={"interactions": source}), tmp_path).interactions
    assert (interactions.day - NEW_YEAR_2023).tolist() == [4, 7]


def test_a_state_that_is_recorded_late_was_not_known_before(tmp_path: Path) -> None:
    # On the 5th it becomes known that the risk is 2 since the 3rd; on the 8th, what it had been on the 2nd.
    rows = "loan,1,2023-01-01,2023-01-01\nloan,2,2023-01-03,2023-01-05\nloan,9,2023-01-02,2023-01-08\n"
    config = write_bank(tmp_path, products=f"product_id,risk,since,booked\n{rows}card,1,2023-01-01,2023-01-01\n")
    source = config.products.model_copy(update={"as_of": "since", "recorded_at": "booked"})
    products = load_dataset(config.model_copy(update={"products": source}), tmp_path).products
    loan = {day: products.at(NEW_YEAR_2023 + day)["risk"][1] for day in (0, 3, 4, 9)}
    assert loan == {0: 1, 3: 1, 4: 2, 9: 2}
    source = config.products.model_copy(update={"as_of": "since", "lag_days": 2})
    products = load_dataset(config.model_copy(update={"products": source}), tmp_path).products
    assert products.at(NEW_YEAR_2023 + 4)["risk"][1] == 2 and products.at(NEW_YEAR_2023 + 3)["risk"][1] == 9


@given(delay=st.lists(st.integers(0, 20), min_size=4, max_size=4), day=st.integers(0, 30))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=25)
def test_nothing_is_seen_before_it_is_recorded(tmp_path: Path, delay: list[int], day: int) -> None:
    """What a day knows is what is left of the tables when all rows that were recorded later are taken away."""
    header, *rows = INTERACTIONS.splitlines()
    booked = [np.datetime64(row.split(",")[2]) + late for row, late in zip(rows, delay, strict=True)]
    cutoff = np.datetime64("2023-01-01") + day

    def known(kept: list[int]) -> list[list[int]]:
        text = "".join(f"{rows[row]},{booked[row]}\n" for row in kept)
        config = write_bank(tmp_path, interactions=f"{header},booked\n{text}")
        source = config.interactions.model_copy(update={"recorded_at": "booked"})
        past = load_dataset(config.model_copy(update={"interactions": source}), tmp_path).until(NEW_YEAR_2023 + day)
        found = past.interactions
        return [values.tolist() for values in (found.customer, found.product, found.day, found.kind)]

    kept = [row for row in range(4) if booked[row] <= cutoff]
    if {1, 2} & set(kept) and any("open" in rows[row] for row in kept):
        assert known(list(range(4))) == known(kept)


def test_events_have_kinds(tmp_path: Path) -> None:
    rows = "".join(f"C1,{product},2023-01-0{day},{event}\n" for day, (product, event) in enumerate(
        [("loan", "open"), ("card", "view"), ("card", "declined"), ("loan", "payment"), ("loan", "close")], start=1
    ))  # fmt: skip
    config = write_bank(tmp_path, interactions="customer_id,product_id,timestamp,event\n" + rows)
    kinds = {"interest": ("view",), "refuse": ("declined",), "ignore": ("payment",)}
    stated = config.model_copy(update={"interactions": config.interactions.model_copy(update=kinds)})
    interactions = load_dataset(stated, tmp_path).interactions
    assert interactions.kind.tolist() == [ACQUIRE, SIGNAL, REFUSE, RELEASE]
    kinds["ignore"] = ()
    stated = config.model_copy(update={"interactions": config.interactions.model_copy(update=kinds)})
    [problem] = problems_of(stated, tmp_path)
    assert problem.what == "the event 'payment' of 1 rows has no meaning yet"
    assert "acquire, release, interest, refuse or ignore" in problem.remedy


CUSTOMER_CONFIG = EntityConfig(
    path="customers.csv",
    id="customer_id",
    as_of="since",
    columns={
        "income": ColumnConfig(role="number"),
        "segment": ColumnConfig(role="category"),
        "score": ColumnConfig(role="number", optional=True),
        "region": ColumnConfig(role="category", optional=True),
    },
)


def test_customers_to_serve_may_be_incomplete_and_unknown(tmp_path: Path) -> None:
    path = tmp_path / "new.csv"
    path.write_text("customer_id,extra,segment,income\nZ,!,never seen,NaN\nA,!,,12\n")
    ids, features = read_customers(CUSTOMER_CONFIG, path)
    assert ids.tolist() == ["Z", "A"]  # the file's order
    assert features["segment"].tolist() == ["never seen", ""]
    np.testing.assert_array_equal(features["income"], np.float32([np.nan, 12]))
    np.testing.assert_array_equal(features["score"], np.float32([np.nan, np.nan]))
    assert features["region"].tolist() == ["", ""]


def test_customers_to_serve_write_values_as_in_training(tmp_path: Path) -> None:
    german = {"delimiter": ";", "decimal": ",", "date_format": "dd.mm.yyyy"}
    born = {"born": ColumnConfig(role="date")}
    config = CUSTOMER_CONFIG.model_copy(update={**german, "columns": CUSTOMER_CONFIG.columns | born})
    path = tmp_path / "new.csv"
    for text in (
        "customer_id;segment;income;born\nA;mass;1.234,5;31.12.2022\n",
        "customer_id,segment,income,born\nA,mass,1234.5,2022-12-31\n",  # as the page's template is written
    ):
        path.write_text(text)
        _, features = read_customers(config, path)
        assert (features["income"][0], features["born"][0]) == (1234.5, NEW_YEAR_2023 - 1)


def test_of_several_dated_rows_the_newest_is_served(tmp_path: Path) -> None:
    path = tmp_path / "new.csv"
    path.write_text("customer_id,as_of,segment,income\nB,2024-02-01,new,2\nA,2024-01-01,only,5\nB,2024-01-01,old,1\n")
    dated = CUSTOMER_CONFIG.model_copy(update={"as_of": "as_of"})
    ids, features = read_customers(dated, path)
    assert ids.tolist() == ["B", "A"]
    assert features["segment"].tolist() == ["new", "only"]
    assert features["income"].tolist() == [2.0, 5.0]
    with pytest.raises(InputError, match="stands on line 2 already"):
        read_customers(CUSTOMER_CONFIG, path)  # undated, two rows of B are one too many


def test_customers_to_serve_are_checked(tmp_path: Path) -> None:
    path = tmp_path / "new.csv"
    path.write_text("customer_id,income\nA,1\nB,x\nA,2\n")
    with pytest.raises(InputError) as caught:
        read_customers(CUSTOMER_CONFIG, path)
    assert [(problem.column, problem.row) for problem in caught.value.problems] == [
        ("segment", None),
        ("income", 3),
        ("customer_id", 4),
    ]


def test_a_problem_reads_as_one_line(tmp_path: Path) -> None:
    config = write_bank(tmp_path, customers=CUSTOMERS.replace("2000", "abc"))
    [problem] = problems_of(config, tmp_path)
    assert str(replace(problem, file="customers.csv")) == (
        "customers.csv, column 'income', line 3: 'abc' is not a number; "
        "write a number, for example 1234.5, or leave the value empty"
    )


cells = st.one_of(
    st.text(max_size=12),
    st.from_regex(r"[+-]?[0-9.,eE]{1,8}", fullmatch=True),
    st.from_regex(
        r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2})?([+-][0-9]{2}:?[0-9]{2}|Z)?)?", fullmatch=True
    ),
    st.sampled_from(["inf", "nan", "NaN", "true", "TRUE", "0", "1", "yes", "", "ﬁ", "٣"]),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(number=cells, boolean=cells, date=cells, word=cells)
def test_any_cell_is_read_or_refused(tmp_path: Path, number: str, boolean: str, date: str, word: str) -> None:
    def quoted(cell: str) -> bytes:
        return ('"' + cell.replace('"', '""') + '"').encode()

    row = b",".join([b"C1", quoted(number), quoted(word), quoted(boolean), quoted(date), b""])
    config = write_bank(
        tmp_path,
        customers=CUSTOMERS.splitlines(keepends=True)[0].encode() + row + b"\n",
        interactions=INTERACTIONS.replace("C3", "C1"),
    )
    try:
        columns = load_dataset(config, tmp_path).customers.columns
    except InputError as error:
        last_line = 1 + len(row.splitlines())  # a cell may have several lines
        for problem in error.problems:
            assert problem.row is not None and 2 <= problem.row <= last_line and problem.remedy
    else:
        assert np.isfinite(columns["income"]).all() or number.strip().lower() in MISSING
        assert columns["has_app"][0] in (0, 1) or np.isnan(columns["has_app"][0])
        assert columns["segment"].tolist() in ([word.strip()], [""] if word.strip().lower() in MISSING_STRINGS else [])


class TestOutcomes:
    """Interactions after training: of some customers, perhaps without a single acquisition."""

    CUSTOMERS, PRODUCTS = (np.array(ids, object) for ids in (["C1", "C3"], ["card", "loan"]))

    def read(self, folder: Path, *rows: str) -> Interactions:
        path = folder / "since.csv"
        path.write_text("\n".join(["customer_id,product_id,timestamp,event", *rows, ""]))
        entity = {"path": "unused.csv", "id": "id"}
        since = {"path": str(path), "event": "event", "unknown": "drop"}
        tables = {"customers": entity, "products": entity, "interactions": since}
        return read_outcomes(DataConfig.model_validate(tables), self.CUSTOMERS, self.PRODUCTS)

    def test_those_of_others_are_left_out(self, tmp_path: Path) -> None:
        found = self.read(
            tmp_path,
            "C3,loan,2023-01-02,open",
            "C2,loan,2023-01-01,open",
            "C1,boat,2023-01-01,open",
            "C1,card,2023-01-01,view",
        )
        assert found.customer.tolist() == [0, 1] and found.product.tolist() == [0, 1]
        assert found.day.tolist() == [NEW_YEAR_2023, NEW_YEAR_2023 + 1] and found.kind.tolist() == [SIGNAL, ACQUIRE]

    def test_without_an_acquisition_or_anything(self, tmp_path: Path) -> None:
        assert self.read(tmp_path, "C1,card,2023-01-01,view").kind.tolist() == [SIGNAL]
        assert len(self.read(tmp_path, "C9,card,2023-01-01,view")) == 0

    def test_what_is_wrong_is_told(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=r"column 'timestamp', line 2: .*2023-02-30"):
            self.read(tmp_path, "C1,card,2023-02-30,view")

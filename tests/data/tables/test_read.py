"""Files that are not tables are refused quickly, with the place and the remedy; whatever the bytes are."""

import gzip
import sqlite3
import time
import tracemalloc
import uuid
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nextbest.data.config import DataConfig, EntityConfig, TableConfig
from nextbest.data.errors import InputError, Problem
from nextbest.data.tables.load import load_dataset
from nextbest.data.tables.read import digest_table, read_file, read_table
from tests.data.table_files import CUSTOMERS, problems_of, write_bank


def problems_in(path: Path, wanted: list[str] | None = None) -> tuple[Problem, ...]:
    with pytest.raises(InputError) as caught:
        read_file(path, wanted)
    return caught.value.problems


def problem_in(path: Path) -> Problem:
    [problem] = problems_in(path)
    assert problem.file == str(path)
    assert problem.remedy
    return problem


@pytest.mark.parametrize(
    ("content", "line", "what", "remedy"),
    [
        (b"", None, "the file is empty", "header"),
        (b"id,n\n", None, "no rows", "at least one row"),
        (b"id,n", None, "no rows", "at least one row"),
        (b"\nid,n\n1,2\n", 1, "the first line is blank", "column names"),
        (b"id,n\n1,2\n\0\0,3\n", 3, "NUL byte", "CSV file"),
        ("id,n\n1,é\n".encode("utf-16"), None, "encoded in UTF-16", "UTF-8"),
        ("id,n\n1,2\n2,é\n".encode("latin-1"), 3, "byte 0xe9 at offset 11 is not UTF-8", "iconv"),
        ("idé,n\n1,2\n".encode("latin-1"), 1, "byte 0xe9 at offset 2 is not UTF-8", "iconv"),
        (b"id,n\n1,2\n\n3\n4,5\n", 4, "1 values where the header names 2 columns", "quotes"),
        (b'id,n\n1,2\n3,"4\n5,6\n', 3, "a quote is opened here and never closed", "close it"),
        (b"id,n,id\n1,2,3\n", None, "the header names this column 2 times", "rename"),
    ],
)
def test_a_file_that_is_no_table(tmp_path: Path, content: bytes, line: int | None, what: str, remedy: str) -> None:
    for name, data in {"t.csv": content, "t.csv.gz": gzip.compress(content)}.items():
        (tmp_path / name).write_bytes(data)
        problem = problem_in(tmp_path / name)
        assert problem.row == line
        assert what in problem.what
        assert remedy in problem.remedy


def test_every_ragged_line_is_named(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('id,n\n1,"a\nb"\n2\n3,4,5\n6,7\n')
    assert [(problem.row, problem.what[:8]) for problem in problems_in(tmp_path / "t.csv")] == [
        (4, "1 values"),
        (5, "3 values"),
    ]


@pytest.mark.parametrize("fill", [b"\0", b"a"])
def test_two_gigabytes_without_a_line_break_are_refused_at_once(tmp_path: Path, fill: bytes) -> None:
    path = tmp_path / "t.csv"
    with path.open("wb") as file:
        file.write(fill * (4 << 20))
        file.truncate(2 << 30)  # sparse: the rest is NUL bytes and takes no room
    tracemalloc.start()
    before, start = pa.total_allocated_bytes(), time.perf_counter()
    problem = problem_in(path)
    seconds, (_, peak) = time.perf_counter() - start, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert "no line break in the first" in problem.what
    assert "one row on each line" in problem.remedy
    assert seconds < 5
    assert peak + pa.total_allocated_bytes() - before < 64 << 20


def test_an_endless_line_after_a_good_one_is_refused_in_bounded_memory(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b"id,n\n1,2\n" + b"x" * (40 << 20) + b"\n")
    assert "a row is longer than" in problem_in(path).what


def test_an_invalid_byte_far_into_the_file_is_found(tmp_path: Path) -> None:
    # A character of two bytes lies across the first block's end (1 MiB), and the bad byte comes after it.
    lead = b"id,n\n" + b"1,23456\n" * 131_071  # 5 + 8 * 131,071 = 1,048,573 bytes, 131,072 lines
    (tmp_path / "t.csv").write_bytes(lead + b"1,\xc3\xa9\n1,\xe9\n")
    problem = problem_in(tmp_path / "t.csv")
    assert problem.row == 131_074
    assert "0xe9 at offset 1,048,580 " in problem.what  # 1,048,573 + 5 + 2


def test_line_ends_byte_order_mark_and_quotes_are_understood(tmp_path: Path) -> None:
    for ends in ("\n", "\r\n", "\r"):
        lines = ["id, n ", '1,"a, ""b"""', '"2","x\ny"', '3,5" pipe', ""]
        (tmp_path / "t.csv").write_bytes(b"\xef\xbb\xbf" + ends.join(lines).encode())
        table = read_file(tmp_path / "t.csv")
        assert table.columns.to_pydict() == {"id": ["1", "2", "3"], "n": ['a, "b"', "x\ny", '5" pipe']}
        unit, lines_of_rows = table.places
        assert (unit, lines_of_rows.tolist()) == ("line", [2, 3, 5])


def test_only_wanted_columns_are_read_and_only_they_must_be_unique(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("x,id,x,n\n1,2,3,4\n")
    assert read_file(tmp_path / "t.csv", ["n", "id", "absent"]).columns.to_pydict() == {"id": ["2"], "n": ["4"]}


def test_missing_files_folders_and_other_endings(tmp_path: Path) -> None:
    assert "no such file" in problem_in(tmp_path / "absent.csv").what
    (tmp_path / "folder.csv").mkdir()
    assert "folder" in problem_in(tmp_path / "folder.csv").what
    (tmp_path / "t.xlsx").write_bytes(b"PK")
    assert ".parquet" in problem_in(tmp_path / "t.xlsx").what


def test_damaged_parquet_and_gzip(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": ["a"] * 100}), tmp_path / "good.parquet")
    whole = (tmp_path / "good.parquet").read_bytes()
    for name, content in {
        "text.parquet": b"id,n\n1,2\n",
        "cut.parquet": whole[: len(whole) // 2],
        "text.csv.gz": b"id,n\n1,2\n",
        "cut.csv.gz": gzip.compress(b"id,n\n" + b"1,2\n" * 1000)[:-20],
    }.items():
        (tmp_path / name).write_bytes(content)
        assert "read" in problem_in(tmp_path / name).what
    pq.write_table(pa.table({"id": pa.array([], pa.string())}), tmp_path / "none.parquet")
    assert "no rows" in problem_in(tmp_path / "none.parquet").what


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_other_delimiters_are_found(tmp_path: Path, delimiter: str) -> None:
    config = write_bank(tmp_path, customers=CUSTOMERS.replace(",", delimiter))
    assert load_dataset(config, tmp_path).customers.ids.tolist() == ["C1", "C2", "C3"]
    table = read_file(tmp_path / "customers.csv")
    assert (table.notation.delimiter, len(table.header)) == (delimiter, 6)


def test_a_delimiter_is_found_among_others(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('id;"a, b, c";n\n1;2,5;x,y\n2;3,5;z\n')
    assert read_file(path).header == ("id", "a, b, c", "n")
    path.write_text("id,a;b\n1,2\n")
    assert read_file(path).header == ("id", "a;b")
    path.write_text("id\n1\n2\n")
    assert read_file(path).header == ("id",)
    path.write_text("a;b,c\n1;2,3\n")
    assert read_file(path, ["b,c"]).columns.to_pydict() == {"b,c": ["2,3"]}  # what is wanted decides
    assert read_file(path, None, TableConfig(path="", delimiter=";")).header == ("a", "b,c")
    path.write_text("id#n\n1#2\n")
    assert read_file(path, None, TableConfig(path="", delimiter="#")).columns.to_pydict() == {"id": ["1"], "n": ["2"]}


def test_what_spreadsheets_add_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    for content in (
        "sep=;\nid;n;;\n1;2;;\n;;;\n\n3;4;;\n;;;\n",
        '"sep=,"\r\nid,n\r\n1,2\r\n,\r\n\r\n3,4\r\n',
        "sep=,\nid,n\n1,2,\n,,\n\n3,4,\n",  # only the rows end in a delimiter
    ):
        path.write_text(content)
        table = read_file(path)
        assert table.columns.to_pydict() == {"id": ["1", "3"], "n": ["2", "4"]} and table.header == ("id", "n")
        assert (table.places[0], table.places[1].tolist()) == ("line", [3, 6])
        assert read_file(path, ["n"]).columns.to_pydict() == {"n": ["2", "4"]}


def test_a_value_without_a_column_s_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("id,n,\n1,2,\n3,4,5\n")
    problem = problem_in(tmp_path / "t.csv")
    assert (problem.row, problem.what) == (3, "'5' stands in a column without a name")


def test_parts_in_a_folder_are_one_table(tmp_path: Path) -> None:
    folder = tmp_path / "interactions"
    for month, rows in {"2024-05": ["a"], "2024-06": ["b", "c"]}.items():
        (folder / f"month={month}").mkdir(parents=True)
        pq.write_table(pa.table({"id": rows, "n": [None] * len(rows)}), folder / f"month={month}" / "part-0.parquet")
    pq.write_table(pa.table({"id": ["d"], "n": [1]}), folder / "part-1.snappy.parquet")
    (folder / "_SUCCESS").touch()
    (folder / ".part-0.parquet.crc").write_bytes(b"x")
    (folder / "_metadata.parquet").write_bytes(b"x")
    table = read_file(folder)
    assert table.columns.to_pydict() == {
        "id": ["a", "b", "c", "d"],
        "n": [None, None, None, 1],
        "month": ["2024-05", "2024-06", "2024-06", None],
    }
    assert read_file(folder, ["month", "id"]).columns.column_names == ["id", "month"]
    assert table.place_of(2) == (str(folder / "month=2024-06" / "part-0.parquet"), "row", 2)


def test_a_pattern_reads_all_that_match(tmp_path: Path) -> None:
    for name, row in {"b-2024.csv": "2", "a-2023.csv": "1", "other.csv": "3"}.items():
        (tmp_path / name).write_text(f"id\n{row}\n")
    assert read_file(tmp_path / "?-202*.csv").columns.to_pydict() == {"id": ["1", "2"]}
    (tmp_path / "b-2024.csv").write_text("id,n\n2\n")
    [problem] = problems_in(tmp_path / "?-202*.csv")
    assert (problem.file, problem.row) == (str(tmp_path / "b-2024.csv"), 2)
    assert "there is no file" in problem_in(tmp_path / "c-*.csv").what


def test_a_digest_is_of_what_a_table_holds(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "1.csv").write_text("id\n1\n")
    (tmp_path / "one.csv").write_text("id\n1\n")
    with sqlite3.connect(tmp_path / "bank.db") as database:
        database.execute("CREATE TABLE t AS SELECT 1 AS id")
    database.close()
    tables = [
        TableConfig(path="one.csv"),
        TableConfig(path="parts"),
        TableConfig(path="parts/*.csv"),
        TableConfig(path=f"sqlite:///{tmp_path}/bank.db", query="SELECT * FROM t"),
    ]
    before = [digest_table(table, tmp_path) for table in tables]
    assert before == [digest_table(table, tmp_path) for table in tables] and len(set(before)) == 4
    for file in ("one.csv", "parts/1.csv"):
        (tmp_path / file).write_text("id\n2\n")
    with sqlite3.connect(tmp_path / "bank.db") as database:
        database.execute("UPDATE t SET id = 2")
    database.close()
    assert all(old != digest_table(table, tmp_path) for old, table in zip(before, tables, strict=True))
    with pytest.raises(InputError, match="No such file"):
        digest_table(TableConfig(path="absent.csv"), tmp_path)


def test_a_bad_value_in_a_part_is_found_there(tmp_path: Path) -> None:
    config = write_bank(tmp_path)
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "1.csv").write_text(CUSTOMERS)
    (tmp_path / "parts" / "2.csv").write_text(CUSTOMERS.splitlines()[0] + "\nC4,abc,,,,\n")
    source = config.customers.model_copy(update={"path": "parts"})
    [problem] = problems_of(config.model_copy(update={"customers": source}), tmp_path)
    assert (problem.file, problem.row) == (str(tmp_path / "parts" / "2.csv"), 2)


def test_ids_of_every_type_meet(tmp_path: Path) -> None:
    config = write_bank(tmp_path)
    uuids = [uuid.UUID(int=1), uuid.UUID(int=2)]
    for kind, values, texts in (
        (pa.binary(), [b"10", b"20"], ["10", "20"]),
        (pa.decimal128(38, 9), [10, 20], ["10", "20"]),
        (pa.float64(), [10, 20], ["10", "20"]),
        (pa.uuid(), [value.bytes for value in uuids], [str(value) for value in uuids]),
        (pa.dictionary(pa.int32(), pa.string()), ["10", "20"], ["10", "20"]),
    ):
        pq.write_table(pa.table({"product_id": pa.array(values, kind), "risk": [1, 2]}), tmp_path / "products.parquet")
        first, second = texts
        rows = f"customer_id,product_id,timestamp,event\nC1,{first},2023-01-01,open\nC3,{second},2023-01-01,open\n"
        (tmp_path / "interactions.csv").write_text(rows)
        source = config.products.model_copy(update={"path": "products.parquet"})
        dataset = load_dataset(config.model_copy(update={"products": source}), tmp_path)
        assert dataset.products.ids.tolist() == texts and dataset.interactions.product.tolist() == [0, 1]


@pytest.mark.parametrize("role", ["number", "boolean", "date", "category"])
def test_a_column_of_nulls_is_missing(tmp_path: Path, role: str) -> None:
    config = write_bank(tmp_path)
    pq.write_table(pa.table({"product_id": ["loan", "card"], "x": pa.nulls(2)}), tmp_path / "products.parquet")
    products = EntityConfig.model_validate(
        {"path": "products.parquet", "id": "product_id", "columns": {"x": {"role": role}}}
    )
    values = load_dataset(config.model_copy(update={"products": products}), tmp_path).products.columns["x"]
    assert values.tolist() == ["", ""] if role == "category" else bool(np.isnan(values).all())


def test_a_table_from_a_database(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "bank.db") as database:
        database.execute("CREATE TABLE products (product_id TEXT, risk, fee REAL)")
        database.execute("INSERT INTO products VALUES ('loan', 2, NULL), ('card', 'low', 1.5)")
    database.close()
    url = f"sqlite:///{tmp_path}/bank.db"
    columns = {"risk": {"role": "number"}, "fee": {"role": "number"}}
    products = EntityConfig.model_validate({"path": url, "id": "product_id", "columns": columns})
    config = write_bank(tmp_path)

    def with_query(query: str | None) -> DataConfig:
        return config.model_copy(update={"products": products.model_copy(update={"query": query})})

    [problem] = problems_of(with_query("SELECT * FROM products ORDER BY fee"), tmp_path)
    assert (problem.file, problem.column, problem.row, problem.unit) == (url, "risk", 2, "row")
    dataset = load_dataset(with_query("SELECT product_id, 1 AS risk, fee FROM products"), tmp_path)
    assert dataset.products.ids.tolist() == ["card", "loan"]
    assert dataset.products.columns["fee"][0] == 1.5
    assert "no such table: things" in problems_of(with_query("SELECT * FROM things"), tmp_path)[0].what
    assert "needs a query" in problems_of(with_query(None), tmp_path)[0].what


@pytest.mark.parametrize(
    "url",
    ["postgresql://me:s3cret@localhost:1/bank", "nosuchdb://me:s3cret@host/x", "sqlite://me:s3cret@host:port:1/x"],
)
def test_passwords_are_never_repeated(tmp_path: Path, url: str) -> None:
    with pytest.raises(InputError) as caught:
        read_table(TableConfig(path=url, query="SELECT 1"), tmp_path)
    assert "s3cret" not in str(caught.value)
    assert len(caught.value.problems) == 1


def test_a_file_takes_no_query(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a file cannot be queried"):
        read_table(TableConfig(path="t.csv", query="SELECT 1"), tmp_path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
@given(
    content=st.one_of(
        st.binary(max_size=200),
        st.text(alphabet='abC1,"\n\r;\té\0 ', max_size=80).map(str.encode),
        st.text(alphabet='abC1,"\n\r; ', max_size=80).map(lambda text: CUSTOMERS.encode() + text.encode()),
        st.text(alphabet='1,"\n\r', max_size=40).map(lambda text: b"customer_id,x\n" + text.encode()),
    ),
    name=st.sampled_from(["customers.csv", "customers.csv.gz", "customers.parquet"]),
    compressed=st.booleans(),
)
def test_any_bytes_are_read_or_refused(tmp_path: Path, content: bytes, name: str, compressed: bool) -> None:
    config = write_bank(tmp_path)
    source = EntityConfig(path=name, id="customer_id")
    (tmp_path / name).write_bytes(gzip.compress(content) if compressed else content)
    try:
        dataset = load_dataset(config.model_copy(update={"customers": source}), tmp_path)
    except InputError as error:
        assert error.problems
        assert all(str(problem) and "\n" not in str(problem) for problem in error.problems)
    else:
        assert set(dataset.customers.ids) >= {"C1", "C3"}

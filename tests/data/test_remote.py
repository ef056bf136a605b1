"""Files at addresses: in memory, and on an S3 server of this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import nextbest
from nextbest.data.config import TableConfig
from nextbest.data.errors import InputError
from nextbest.data.remote import copy_here, is_remote
from nextbest.data.tables.load import load_dataset
from nextbest.data.tables.read import digest_table, is_database, read_file, read_table
from tests.commands import run_nextbest
from tests.data.table_files import CUSTOMERS, INTERACTIONS, PRODUCTS, write_bank

HERE = Path()


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """Yield the address of a bucket on a local S3 server."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    with pytest.MonkeyPatch.context() as patch:
        server.start()
        host, port = server.get_host_and_port()
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "key")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        files = fsspec.filesystem("s3", skip_instance_cache=True)
        files.mkdir("bank")
        yield "s3://bank"
        server.stop()


@pytest.fixture(params=["memory", "s3"])
def bucket(request: pytest.FixtureRequest) -> Iterator[str]:
    """Yield an address below which nothing lies."""
    address = "memory://bank" if request.param == "memory" else request.getfixturevalue("s3")
    files, root = fsspec.core.url_to_fs(address)
    yield address
    for path in files.find(root):
        files.rm(path)


def put(address: str, content: str | pa.Table) -> None:
    with fsspec.open(address, "wb") as file:
        if isinstance(content, str):
            file.write(content.encode())
        else:
            pq.write_table(content, file)


def test_a_file(bucket: str) -> None:
    put(f"{bucket}/in/t.csv", "id;n\na;1,5\nb;2\n")
    table = read_file(f"{bucket}/in/t.csv")
    assert table.file == f"{bucket}/in/t.csv"
    assert table.columns.to_pydict() == {"id": ["a", "b"], "n": ["1,5", "2"]}


def test_a_folder_as_spark_writes_it(bucket: str) -> None:
    put(f"{bucket}/events/month=2024-05/part-0.parquet", pa.table({"id": ["a"]}))
    put(f"{bucket}/events/month=2024-06/part-0.parquet", pa.table({"id": ["b", "c"]}))
    put(f"{bucket}/events/_SUCCESS", "")
    table = read_file(f"{bucket}/events/")
    assert table.columns.to_pydict() == {"id": ["a", "b", "c"], "month": ["2024-05", "2024-06", "2024-06"]}
    assert table.place_of(2) == (f"{bucket}/events/month=2024-06/part-0.parquet", "row", 2)


def test_a_pattern(bucket: str) -> None:
    for name in ("events-1.csv", "events-2.csv", "other.csv"):
        put(f"{bucket}/{name}", f"id\n{name}\n")
    assert read_file(f"{bucket}/events-*.csv").columns["id"].to_pylist() == ["events-1.csv", "events-2.csv"]


def test_a_change_is_seen_and_what_is_the_same_is_not_copied_again(
    bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = TableConfig(path=f"{bucket}/t.csv")
    put(source.path, "id\na\n")
    before = digest_table(source, HERE)
    assert read_table(source, HERE).columns["id"].to_pylist() == ["a"]
    with monkeypatch.context() as patch:
        patch.setattr(type(fsspec.core.url_to_fs(bucket)[0]), "get_file", None)
        assert digest_table(source, HERE) == before
    put(source.path, "id\nlonger\n")
    assert read_table(source, HERE).columns["id"].to_pylist() == ["longer"]
    assert digest_table(source, HERE) != before


def test_what_is_wrong_names_the_address(bucket: str, tmp_path: Path) -> None:
    put(f"{bucket}/customers.csv", CUSTOMERS.replace("1990-01-02", "someday"))
    config = write_bank(tmp_path)
    there = config.customers.model_copy(update={"path": f"{bucket}/customers.csv"})
    with pytest.raises(InputError) as caught:
        load_dataset(config.model_copy(update={"customers": there}), tmp_path)
    assert {problem.file for problem in caught.value.problems} == {f"{bucket}/customers.csv"}
    put(f"{bucket}/short.csv", "id,n\n1,2\n3\n")
    rejected: list[nextbest.Problem] = []
    assert len(read_file(f"{bucket}/short.csv", misshapen=rejected)) == 1
    assert [(problem.file, problem.row) for problem in rejected] == [(f"{bucket}/short.csv", 3)]


def test_a_name_that_leads_out_of_the_folder_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    put("memory://out/t.csv", "id\na\n")
    files = fsspec.filesystem("memory")
    with monkeypatch.context() as patch:
        patch.setattr(type(files), "find", lambda self, path, **options: ["/out/../../etc/t.csv"])
        with pytest.raises(InputError, match="names a place outside of its folder"):
            copy_here("memory://out/", lambda file: True)
    files.rm("/out", recursive=True)


def test_there_is_nothing(bucket: str) -> None:
    for address in (f"{bucket}/none.csv", f"{bucket}/none-*.csv"):
        with pytest.raises(InputError, match="there is no such file; fix the path"):
            read_file(address)


def test_a_server_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise RuntimeError("no answer\nfrom there")

    monkeypatch.setattr(fsspec.implementations.memory.MemoryFileSystem, "exists", fail)
    with pytest.raises(InputError, match=r"memory://t.csv: it cannot be read \(no answer\); check the address"):
        read_file("memory://t.csv")


def test_the_package_for_an_address_is_missing() -> None:
    with pytest.raises(InputError, match="gcsfs"):
        read_file("gs://bank/t.csv")


@pytest.mark.parametrize(
    ("path", "is_address", "is_sql"),
    [
        ("s3://bank/t.csv", True, False),
        ("gs://bank/t.csv", True, False),
        ("ftp://host/t.csv", True, False),
        ("sqlite:///bank.db", False, True),
        ("postgresql+psycopg://host/bank", False, True),
        ("tables/t.csv", False, False),
    ],
)
def test_what_a_path_is(path: str, is_address: bool, is_sql: bool) -> None:
    assert (is_remote(path), is_database(path)) == (is_address, is_sql)


@pytest.mark.parametrize("command", ["run", "refresh", "export"])
def test_nothing_is_written_to_an_address(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be a folder called `s3:`, and be found out when all is trained."""
    monkeypatch.chdir(tmp_path)
    needed = {"run": ("--config", "bank.toml"), "refresh": ("--run", "r", "--config", "bank.toml"), "export": ()}[
        command
    ]
    outcome = run_nextbest(command, *needed, "--out", "run", "--models", "s3://bank/models")
    assert outcome.code == 2
    assert "runs and models are written to folders, not to addresses; name a folder" in outcome.err
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InputError, match="written to folders"):
        nextbest.train("bank.toml", "run", models="s3://bank/models")
    with pytest.raises(InputError, match="written to folders"):
        nextbest.train("bank.toml", "s3://bank/run")


def test_schema_writes_addresses(bucket: str, tmp_path: Path) -> None:
    tables = {"customers": CUSTOMERS, "products": PRODUCTS, "interactions": INTERACTIONS}
    for name, content in tables.items():
        put(f"{bucket}/{name}.csv", content)
    given = [part for name in tables for part in (f"--{name}", f"{bucket}/{name}.csv")]
    outcome = run_nextbest("schema", *given, "--out", tmp_path / "bank.toml")
    assert outcome.code == 0, outcome.err
    config = nextbest.read_config(tmp_path / "bank.toml").data
    assert [getattr(config, name).path for name in tables] == [f"{bucket}/{name}.csv" for name in tables]
    assert len(load_dataset(config, tmp_path).customers) == 3

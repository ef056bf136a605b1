import importlib.metadata
import sys
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.movielens import prepare as prepare_module
from benchmarks.movielens.__main__ import main
from benchmarks.movielens.prepare import MovieLens, interaction_table, prepare, read_movielens
from nextbest.data.errors import InputError

DAY = 86_400
# ann saw 1, then 3 and 2 in one second (3 stands first in the file), then 4. bob saw 4 long before, then 1.
RATINGS = f"""\
user_id:token\titem_id:token\trating:float\ttimestamp:float
ann\t3\t1\t{20 * DAY}
bob\t1\t5\t{10 * DAY + 5}
ann\t2\t5\t{20 * DAY}
ann\t4\t3\t{30 * DAY}
bob\t4\t3\t{3 * DAY}
ann\t1\t3\t{19 * DAY}
"""
FILMS = """\
item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq
1\tToy Story\t1995\tAnimation Children's Comedy
2\tunkonwn\tunkonwn\tunknown
3\t"Burbs, The\t1989\tComedy
4\tHeat\t1995\tAction Crime
"""
PEOPLE = """\
user_id:token\tage:token\tgender:token\toccupation:token\tzip_code:token
ann\t24\tF\tnurse\t85711
bob\t53\tM\tother\t94043
"""
FILES = {"ml-100k.inter": RATINGS, "ml-100k.item": FILMS, "ml-100k.user": PEOPLE}


@pytest.fixture
def miniature(tmp_path: Path) -> Path:
    """Return a folder in RecBole's format."""
    folder = tmp_path / "ml-100k"
    folder.mkdir()
    for name, text in FILES.items():
        (folder / name).write_text(text)
    return folder


def command(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int | None:
    """Run the command line and return its exit code."""
    monkeypatch.setattr(sys, "argv", ["movielens", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code  # type: ignore[return-value]


# --- The tables


def test_everyone_s_films_are_dated_one_a_day_and_end_on_the_same_day(miniature: Path, tmp_path: Path) -> None:
    prepare(miniature, tmp_path / "out")
    # The newest rating is of day 30 after 1970-01-01, which is 1970-01-31.
    assert (tmp_path / "out" / "interactions.csv").read_text() == (
        "customer_id,product_id,timestamp\n"
        "ann,1,1970-01-28\n"
        "ann,3,1970-01-29\n"
        "ann,2,1970-01-30\n"
        "bob,4,1970-01-30\n"
        "ann,4,1970-01-31\n"
        "bob,1,1970-01-31\n"
    )


def test_what_is_unknown_of_a_film_is_missing(miniature: Path, tmp_path: Path) -> None:
    prepare(miniature, tmp_path / "out")
    assert (tmp_path / "out" / "products.csv").read_text() == (
        "product_id,title,year,genres\n"
        "1,Toy Story,1995,Animation Children's Comedy\n"
        "2,unkonwn,,\n"
        '3,"""Burbs, The",1989,Comedy\n'
        "4,Heat,1995,Action Crime\n"
    )
    assert (tmp_path / "out" / "customers.csv").read_text() == (
        "customer_id,age,gender,occupation\nann,24,F,nurse\nbob,53,M,other\n"
    )


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5)), min_size=1, max_size=40))
def test_any_sequence_keeps_its_order_and_ends_on_the_last_day(rated: list[tuple[int, int]]) -> None:
    # Rows are (person, second); the film is the row's number, so that no pair comes twice.
    ratings = pd.DataFrame(
        [(str(person), str(row), float(second)) for row, (person, second) in enumerate(rated)],
        columns=["user_id", "item_id", "timestamp"],
    )
    table = interaction_table(MovieLens(ratings, pd.DataFrame(), pd.DataFrame()))
    for person, films in table.groupby("customer_id"):
        own = [(second, row) for row, (who, second) in enumerate(rated) if str(who) == person]
        assert films["product_id"].tolist() == [str(row) for _, row in sorted(own)]
        assert films["timestamp"].tolist() == list(range(1 - len(own), 1))


# --- What cannot be used


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("ml-100k.inter", RATINGS.replace(str(30 * DAY), "soon"), "column 'timestamp', line 5: 'soon' is not a time"),
        ("ml-100k.inter", RATINGS + f"cid\t1\t5\t{DAY}\n", "column 'user_id', line 8: 'cid' is not described"),
        ("ml-100k.inter", RATINGS + f"ann\t9\t5\t{DAY}\n", "column 'item_id', line 8: '9' is not described"),
        ("ml-100k.item", FILMS.replace("release_year", "year"), "column 'release_year:token': the column is missing"),
        ("ml-100k.user", "", "it cannot be read as a table with tabs"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_and_nothing_is_written(
    name: str,
    text: str,
    message: str,
    miniature: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (miniature / name).write_text(text)
    assert command(monkeypatch, "prepare", "--source", miniature, "--out", tmp_path / "out") == 2
    assert message in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["ml-100k"]


def test_all_missing_files_are_named_at_once(miniature: Path) -> None:
    for name in ("ml-100k.inter", "ml-100k.user"):
        (miniature / name).unlink()
    with pytest.raises(InputError) as refused:
        read_movielens(miniature)
    assert [Path(problem.file).name for problem in refused.value.problems] == ["ml-100k.inter", "ml-100k.user"]
    assert "pip install --no-deps recbole" in str(refused.value)


def test_without_recbole_the_remedy_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def files(package: str) -> list[importlib.metadata.PackagePath]:
        raise importlib.metadata.PackageNotFoundError(package)

    monkeypatch.setattr(importlib.metadata, "files", files)
    assert command(monkeypatch, "prepare", "--out", tmp_path / "out") == 2
    assert "recbole: the package is not installed; pip install --no-deps recbole" in capsys.readouterr().err
    monkeypatch.setattr(importlib.metadata, "files", lambda package: None)  # installed without a list of its files
    assert command(monkeypatch, "run", "--out", tmp_path / "out") == 2
    assert "the installed package holds no ml-100k" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_folder_that_holds_something_is_left_alone(miniature: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("kept")
    with pytest.raises(InputError, match="not an empty folder"):
        prepare(miniature, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]


def test_what_fails_midway_leaves_nothing(miniature: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*files: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(prepare_module.shutil, "copyfile", fail)
    with pytest.raises(OSError, match="disk full"):
        prepare(miniature, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["ml-100k"]

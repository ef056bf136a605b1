from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.fartrans.source import choose_splits, parse_splits
from nextbest.data.errors import InputError
from tests.benchmarks.fartrans.miniature import SPLITS, write


@pytest.mark.parametrize(
    ("text", "splits"),
    [
        ("3", [3]),
        ("0-4", [0, 1, 2, 3, 4]),
        ("0,4, 8", [0, 4, 8]),
        ("0-34:10", [0, 10, 20, 30]),
        ("5-6,1-9:4,5", [1, 5, 6, 9]),
    ],
)
def test_a_list_of_splits_is_understood(text: str, splits: list[int]) -> None:
    assert parse_splits(text) == splits


@pytest.mark.parametrize("text", ["", "a", "4-2", "-1", "1-", "0-8:0", "1,,2", "1.5", "0-4:2:2"])
def test_a_list_that_means_nothing_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"--splits: .* names no splits; write for example 0-34"):
        parse_splits(text)


def test_all_wrong_parts_are_named_at_once() -> None:
    with pytest.raises(InputError) as refused:
        parse_splits("x,1,9-3")
    assert [problem.what for problem in refused.value.problems] == ["'x' names no splits", "'9-3' names no splits"]


@settings(deadline=None)
@given(st.text(alphabet="0123456789,-: x", max_size=8))
def test_any_text_is_understood_or_refused(text: str) -> None:
    try:
        found = parse_splits(text)
    except InputError:
        return
    assert found
    assert found == sorted(set(found))


def test_the_folder_s_splits_are_taken_without_a_list(miniature: Path) -> None:
    assert choose_splits(miniature, None) == [6, 7]
    assert choose_splits(miniature, "7") == [7]


def test_a_split_that_the_folder_lacks_is_refused(miniature: Path) -> None:
    with pytest.raises(InputError, match=r"splits\.csv, column 'split': there is no split 5, 8; it has 6, 7"):
        choose_splits(miniature, "5-8")


def test_a_split_without_a_number_is_refused(miniature: Path) -> None:
    write(miniature / "splits.csv", SPLITS + "last,2020-06-30,2020-12-31\n")
    with pytest.raises(InputError, match="'last' is not the number of a split; number the splits 0, 1, 2"):
        choose_splits(miniature, None)

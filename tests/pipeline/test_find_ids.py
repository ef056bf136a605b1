"""The search for ids: whole words alone, in bytes and in all that is compressed."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextbest.pipeline.find_ids import IdSearch

LETTERS = "ABCDEFabcdef0123456789"
SIGNS = "-._:/"
ids = st.text(LETTERS, min_size=5, max_size=9).filter(lambda one: not one.isdecimal()) | st.from_regex(
    r"\A[A-F]{2}[-._][0-9]{3}\Z"
)


@given(ids, st.text(LETTERS, min_size=1, max_size=3))
def test_an_id_within_a_longer_one_is_another_person(one: str, more: str) -> None:
    search = IdSearch([one])
    if one not in (one + more)[1:]:
        assert not search.in_bytes(f"x {one}{more}, y".encode())
    if one not in (more + one)[:-1]:
        assert not search.in_bytes(f'{{"{more}{one}": 1}}'.encode())


@given(
    ids, st.sampled_from(["", " ", '"', "\0", "\n", "\xff", "(", "|", "="]), st.sampled_from(["", ". ", '"', "\0", ","])
)
def test_an_id_as_a_word_is_found_whatever_is_beside_it(one: str, before: str, after: str) -> None:
    content = b"\x08\x07" + before.encode("latin-1") + one.encode() + after.encode() + b"\n"
    assert IdSearch([one, "OTHER-1"]).in_bytes(content)
    assert IdSearch(["OTHER-1", one]).in_bytes(gzip.compress(content))


@pytest.mark.parametrize(
    ("one", "text", "found"),
    [
        ("C000001", "C0000012", False),
        ("C000001", "C000001-old.npz", True),  # its ids have no sign, so that a sign ends it
        ("C000001", "customer_C000001", True),
        ("AB-001", "AB-001-2", False),  # here a sign is part of ids
        ("AB-001", "X-AB-001", False),
        ("AB.001", "It was AB.001.", True),
        ("1234", "loss 0.1234, 1234 rows", False),  # a figure
        ("1234", '{"customer": "1234"}', True),
        ("Zoë-1", "Zoë-1", True),
    ],
)
def test_by_hand(one: str, text: str, found: bool) -> None:
    assert IdSearch([one]).in_text(text) == found


class TestFiles:
    def test_what_is_compressed_is_searched(self, tmp_path: Path) -> None:
        np.savez_compressed(tmp_path / "a.npz", ids=np.array(["C000001", "C000002"]), numbers=np.arange(3.0))
        np.savez_compressed(tmp_path / "b.npz", ids=np.array(["C0000012", "C000002"]))
        pq.write_table(pa.table({"customer_id": ["C000001"] * 99, "n": range(99)}), tmp_path / "c.parquet")
        pq.write_table(pa.table({"customer_id": ["C000003"]}), tmp_path / "d.parquet")
        (tmp_path / "e.csv.gz").write_bytes(gzip.compress(b"id\nC000001\n"))
        (tmp_path / "C000001.txt").write_text("nothing")
        (tmp_path / "f.pb").write_bytes(b"\x0a\x07C000001\x12")
        (tmp_path / "g.bin").write_bytes(b"\x1f\x8bno gzip")
        search = IdSearch(["C000001"])
        found = [path.name for path in search.below(tmp_path)]
        assert found == ["C000001.txt", "a.npz", "c.parquet", "e.csv.gz", "f.pb"]
        assert search.files == 8
        assert search.size == sum(path.stat().st_size for path in tmp_path.iterdir())

    def test_whole_numbers_are_ids_where_a_table_has_them(self, tmp_path: Path) -> None:
        np.savez_compressed(tmp_path / "a.npz", ids=np.array(["12", "13"]), product_ids=np.array(["7"]))
        pq.write_table(pa.table({"customer_id": [12, 13]}), tmp_path / "b.parquet")
        assert len(list(IdSearch(["12"]).below(tmp_path))) == 2
        assert not list(IdSearch(["7"]).below(tmp_path))  # a product's

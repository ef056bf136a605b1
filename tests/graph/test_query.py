"""One customer, encoded from a snapshot and from a raw request: the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from nextbest.data.config import EncoderConfig
from nextbest.data.dataset import ALWAYS, Array
from nextbest.data.snapshot import NO_PRODUCT, Snapshot, take_snapshot
from nextbest.graph.catalogue import Encoders, encode_products, fit_encoders, segment_indices
from nextbest.graph.query import QueryEncoder, encode_customers, raw_request
from tests.worlds import ANN, BOB, CARD, CAT, CONFIG, DAN, FUND, LOAN, PENSION, TINY, Tables, random_tables

DAY = 100


def encoders_at(tables: Tables, day: int) -> tuple[Encoders, Snapshot]:
    history = tables.dataset().until(day)
    return fit_encoders(history, day, CONFIG, EncoderConfig(text_tokens=3)), take_snapshot(history, day, CONFIG.windows)


@pytest.fixture(scope="module")
def tiny() -> tuple[Encoders, Snapshot]:
    return encoders_at(TINY, DAY)


def request_of(encoders: Encoders, snapshot: Snapshot, rows: Array) -> dict[str, Array]:
    return raw_request(snapshot, encoders.product_ids, encoders.customers.columns, encoders.list_lengths, rows)


def encode(encoder: Any, request: dict[str, Array]) -> dict[str, Array]:
    encoded = encoder({name: tf.constant(values) for name, values in request.items()})
    return {name: tensor.numpy() for name, tensor in encoded.items()}


def assert_same(left: dict[str, Array], right: dict[str, Array]) -> None:
    assert left.keys() == right.keys()
    for name, values in left.items():
        np.testing.assert_array_equal(values, right[name], err_msg=name, strict=True)


def test_a_customers_lists_are_cut_to_the_newest(tiny: tuple[Encoders, Snapshot]) -> None:
    """Ann holds three products, of which two are read; lately (days 81 to 100) she took the pension only."""
    encoders, snapshot = tiny
    query = encode_customers(snapshot, encoders.query_encoder(), np.array([ANN, DAN, CAT]))
    assert query["held"].tolist() == [[PENSION, LOAN], [CARD, NO_PRODUCT], [NO_PRODUCT, NO_PRODUCT]]
    assert query["held_age"].tolist() == [[10, 40], [0, 0], [0, 0]]
    assert query["recent"].tolist() == [[PENSION], [CARD], [NO_PRODUCT]]
    assert query["recent_age"].tolist() == [[10], [0], [0]]


def test_a_raw_request_names_products_and_days(tiny: tuple[Encoders, Snapshot]) -> None:
    encoders, snapshot = tiny
    request = raw_request(
        snapshot, encoders.product_ids, encoders.customers.columns, encoders.list_lengths, np.array([BOB, CAT])
    )
    assert set(request) == set(encoders.query_encoder().request_spec())
    assert request["income"].tolist()[0] == 50
    assert request["segment"].tolist() == ["retail", ""]
    assert request["held_products"].tolist() == [["card", "fund", ""], ["", "", ""]]
    assert request["held_days"][0, :2].tolist() == [80, 50]
    assert request["as_of_day"].tolist() == [DAY, DAY]


@given(random_tables(), st.integers(0, 30), st.randoms(use_true_random=False))
@settings(max_examples=30, deadline=None)
def test_a_raw_request_is_encoded_as_the_snapshot_is(tables: Tables, day: int, random: Any) -> None:
    encoders, snapshot = encoders_at(tables, day)
    encoder = encoders.query_encoder()
    everyone = len(snapshot.holdings.indptr) - 1
    rows = np.array([random.randrange(everyone) for _ in range(3)])  # in any order, with repetitions
    expected = encode_customers(snapshot, encoder, rows)
    request = request_of(encoders, snapshot, rows)
    assert_same(encode(encoder, request), expected)
    for row in range(3):  # batch 1 equals batch n
        single = encode(encoder, {name: values[row : row + 1] for name, values in request.items()})
        assert_same(single, {name: values[row : row + 1] for name, values in expected.items()})


def of_bob(tiny: tuple[Encoders, Snapshot], products: list[str], days: list[int]) -> dict[str, Array]:
    """Return the encoded query of Bob, had he these products of these days."""
    encoders, snapshot = tiny
    request = raw_request(
        snapshot, encoders.product_ids, encoders.customers.columns, encoders.list_lengths, np.array([BOB])
    )
    for name in ("held", "recent"):
        request[f"{name}_products"] = np.array([products], object)
        request[f"{name}_days"] = np.array([days], np.int64)
    return encode(encoders.query_encoder(), request)


def test_unknown_products_are_ignored(tiny: tuple[Encoders, Snapshot]) -> None:
    encoded = of_bob(tiny, ["bitcoin", "fund", "", "card"], [99, 50, 0, 80])
    assert encoded["held"].tolist() == [[FUND, CARD]]  # there is room for two
    assert encoded["held_age"].tolist() == [[50, 20]]


@pytest.mark.parametrize(
    ("products", "days"),
    [
        (["card", "fund"], [80, 50]),
        (["card", "card", "fund"], [80, 70, 50]),
        (["card"] * 20 + ["fund"] * 20, [80] * 20 + [50] * 20),
        (["card", "fund", "card", "fund"], [80, 50, 99, 99]),
    ],
)
def test_a_product_that_is_named_twice_is_held_once(
    tiny: tuple[Encoders, Snapshot], products: list[str], days: list[int]
) -> None:
    encoded = of_bob(tiny, products, days)
    assert encoded["held"].tolist() == [[CARD, FUND]]  # the first place counts, in the request's order
    assert encoded["held_age"].tolist() == [[20, 50]]


@settings(max_examples=25)
@given(st.lists(st.sampled_from(["card", "fund", "loan", "bitcoin", ""]), max_size=12))
def test_what_is_held_is_a_set(tiny: tuple[Encoders, Snapshot], products: list[str]) -> None:
    known = [product for product in dict.fromkeys(products) if product in tiny[0].product_ids]
    found = of_bob(tiny, products, [])["held"][0]
    assert [tiny[0].product_ids[place] for place in found if place != NO_PRODUCT] == known[:2]


def test_a_day_after_the_request_is_today(tiny: tuple[Encoders, Snapshot]) -> None:
    encoders, snapshot = tiny
    request = raw_request(
        snapshot, encoders.product_ids, encoders.customers.columns, encoders.list_lengths, np.array([BOB])
    )
    request["recent_days"] = np.full_like(request["recent_days"], DAY + 5)
    assert encode(encoders.query_encoder(), request)["recent_age"].tolist() == [[0]]


def test_days_that_are_left_out_are_the_day_of_the_request(tiny: tuple[Encoders, Snapshot]) -> None:
    assert of_bob(tiny, ["card", "fund"], [])["held_age"].tolist() == [[0, 0]]


@pytest.mark.parametrize("days", [[80], [80, 50, 10]])
def test_days_and_products_of_different_number_are_refused(tiny: tuple[Encoders, Snapshot], days: list[int]) -> None:
    message = f"held_products has 2 and held_days has {len(days)}; name one day for each, or none"
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        of_bob(tiny, ["card", "fund"], days)


def test_empty_lists_are_an_anonymous_customer(tiny: tuple[Encoders, Snapshot]) -> None:
    encoders, snapshot = tiny
    request = raw_request(
        snapshot, encoders.product_ids, encoders.customers.columns, encoders.list_lengths, np.array([BOB])
    )
    for name in ("held", "recent"):
        request[f"{name}_products"], request[f"{name}_days"] = np.zeros((1, 0), object), np.zeros((1, 0), np.int64)
    tensors = {
        name: tf.constant(values, tf.string if values.dtype == object else None) for name, values in request.items()
    }
    encoded = encoders.query_encoder()(tensors)
    assert encoded["held"].shape == encoded["recent_age"].shape == (1, 0)


def test_the_encoded_query_is_as_specified(tiny: tuple[Encoders, Snapshot]) -> None:
    encoders, snapshot = tiny
    query = encode_customers(snapshot, encoders.query_encoder(), np.arange(4))
    spec = encoders.encoded_spec()
    assert list(spec) == list(query)
    for name, values in query.items():
        assert spec[name].is_compatible_with(tf.constant(values)), name


class Exported(tf.Module):
    def __init__(self, encoder: QueryEncoder) -> None:
        super().__init__()
        self.encoder = encoder
        self.encode = tf.function(self.encoder.__call__, input_signature=[encoder.request_spec()])


def test_a_saved_model_encodes_alike(tiny: tuple[Encoders, Snapshot], tmp_path: Path) -> None:
    encoders, snapshot = tiny
    encoder = encoders.query_encoder()
    tf.saved_model.save(Exported(encoder), str(tmp_path))
    request = raw_request(
        snapshot, encoders.product_ids, encoders.customers.columns, encoders.list_lengths, np.arange(4)
    )
    loaded = tf.saved_model.load(str(tmp_path))
    assert_same(encode(loaded.encode, request), encode_customers(snapshot, encoder, np.arange(4)))


def test_products_are_encoded_with_their_popularity_last(tiny: tuple[Encoders, Snapshot]) -> None:
    """Risk has a flag, since the vault's is unknown, and so has the launch, since the loan's is."""
    encoders, snapshot = tiny
    popularity = np.arange(10, dtype=np.float32).reshape(5, 2)
    encoded = encode_products(snapshot, encoders.products, popularity)
    assert encoded["floats"].shape == (5, 2 + 2 + 2)
    assert encoded["floats"][:, 2:4].tolist() == [[0, 0], [0, 0], [0, 1], [0, 0], [1, 0]]
    np.testing.assert_array_equal(encoded["floats"][:, 4:], popularity)
    assert encoded["categories"][:, 0].tolist() == [2, 1, 3, 1, 0]  # invest is commonest; account, credit once each
    assert encoded["tokens"].shape == (5, 0)


def test_segments_are_the_indices_of_the_segment_column(tiny: tuple[Encoders, Snapshot]) -> None:
    """Bob and dan are retail, the commonest; ann is private since day 50; cat's is unknown."""
    encoders, snapshot = tiny
    categories = encode_customers(snapshot, encoders.query_encoder(), np.arange(4))["categories"]
    assert segment_indices(categories, encoders.customers, "segment").tolist() == [2, 1, 0, 1]
    assert segment_indices(categories, encoders.customers, None).tolist() == [0] * 4


def test_an_empty_batch_is_encoded(tiny: tuple[Encoders, Snapshot]) -> None:
    encoders, snapshot = tiny
    query = encode_customers(snapshot, encoders.query_encoder(), np.zeros(0, np.int64))
    assert {len(values) for values in query.values()} == {0}


def test_a_bank_without_columns_is_encoded() -> None:
    """Holdings alone are a query."""
    nothing = {"columns": {}}
    config = CONFIG.model_copy(
        update={
            "customers": CONFIG.customers.model_copy(update=nothing),
            "products": CONFIG.products.model_copy(update=nothing),
        }
    )
    rows = [("x", ALWAYS, ()), ("y", ALWAYS, ())]
    dataset = Tables(config, rows, rows, [(1, "x", "y", 1)]).dataset()
    snapshot = take_snapshot(dataset, 5, config.windows)
    encoders = fit_encoders(dataset, 5, config)
    request = raw_request(
        snapshot, encoders.product_ids, encoders.customers.columns, encoders.list_lengths, np.arange(2)
    )
    encoded = encode(encoders.query_encoder(), request)
    assert encoded["floats"].shape == (2, 0)
    assert encoded["held"].tolist() == [[1], [NO_PRODUCT]]
    assert encode_products(snapshot, encoders.products, np.zeros((2, 3), np.float32))["floats"].shape == (2, 3)

"""What a value means to a model: numbers by hand, and every value that a request may hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from nextbest.data.config import ColumnConfig, EncoderConfig
from nextbest.data.dataset import Array
from nextbest.graph.encoders import EncoderState, FeatureEncoder, fit_encoder, raw_columns_spec

NAN, INF = np.nan, np.inf
NUMBER, LOG, QUANTILE = (ColumnConfig(role="number", transform=name) for name in ("none", "log1p", "quantile"))
BOOLEAN, DATE, CATEGORY, TEXT = (ColumnConfig(role=role) for role in ("boolean", "date", "category", "text"))
EVERY_FLOAT = st.floats(width=32)
WORDS = st.text(st.characters(codec="utf-8"), max_size=10)


def array(values: Sequence[Any]) -> Array:
    return np.array(values, object if values and isinstance(values[0], str) else np.float32)


def fit(column: ColumnConfig, values: Sequence[Any], day: int = 0, **settings: Any) -> EncoderState:
    return fit_encoder({"x": array(values)}, {"x": column}, EncoderConfig(**settings), day)


def encode(state: EncoderState, features: Mapping[str, Array], day: int = 0) -> dict[str, Array]:
    batch = len(next(iter(features.values())))
    tensors = {name: tf.constant(values) for name, values in features.items()}
    encoded = FeatureEncoder(state)(tensors, as_of_day=tf.fill([batch], np.int64(day)))
    return {name: tensor.numpy() for name, tensor in encoded.items()}


def floats(state: EncoderState, values: Sequence[float], day: int = 0) -> Array:
    return encode(state, {"x": array(values)}, day)["floats"]


def categories(state: EncoderState, values: Sequence[str]) -> list[int]:
    return encode(state, {"x": array(values)})["categories"][:, 0].tolist()


def test_numbers_are_standardised() -> None:
    """Of 0, 2 and 4 the mean is 2 and the standard deviation sqrt((4 + 0 + 4) / 3) = sqrt(8 / 3)."""
    state = fit(NUMBER, [0, 2, 4])
    np.testing.assert_allclose(floats(state, [4, 2, 1])[:, 0], np.array([2, 0, -1]) / np.sqrt(8 / 3), rtol=1e-6)


def test_a_missing_number_is_average_and_flagged() -> None:
    """The mean of the known values 1 and 3 is 2, their deviation 1."""
    state = fit(NUMBER, [1, NAN, 3])
    assert state.num_floats == 2
    assert floats(state, [3, NAN, INF, -INF]).tolist() == [[1, 0], [0, 1], [0, 1], [0, 1]]


def test_an_infinity_in_training_is_missing() -> None:
    assert fit(NUMBER, [1, INF, 3, -INF]) == fit(NUMBER, [1, NAN, 3, NAN])


def test_a_number_that_was_never_missing_has_no_flag() -> None:
    state = fit(NUMBER, [1, 3])
    assert state.num_floats == 1
    assert floats(state, [NAN, INF, 3]).tolist() == [[0], [0], [1]]


def test_flags_come_after_all_numbers_in_the_order_of_the_columns() -> None:
    features = {"a": array([1, NAN, 3]), "b": array([1, 3, 1]), "c": array([NAN, 0, 2])}
    state = fit_encoder(features, dict.fromkeys("abc", NUMBER), EncoderConfig(), 0)
    encoded = encode(state, {"a": array([NAN]), "b": array([NAN]), "c": array([2])})
    assert encoded["floats"].tolist() == [[0, 0, 1, 1, 0]]


@pytest.mark.parametrize("transform", [NUMBER, LOG, QUANTILE])
@pytest.mark.parametrize("value", [0.0, 0.1, -7.3, 123456.7])
def test_a_constant_is_encoded_as_0(transform: ColumnConfig, value: float) -> None:
    """A mean that is off by a rounding error must not be divided by a deviation that is one, too."""
    state = fit(transform, [value] * 1000)
    np.testing.assert_allclose(floats(state, [value, NAN]), [[0], [0]], atol=1e-6)
    assert state.numbers["x"].scale == 1


@pytest.mark.parametrize("transform", [NUMBER, LOG, QUANTILE])
def test_a_number_without_any_known_value_is_flagged(transform: ColumnConfig) -> None:
    state = fit(transform, [NAN, NAN])
    assert floats(state, [NAN, 0.0]).tolist() == [[0, 1], [0, 0]]


def test_log1p_takes_a_negative_number_for_0() -> None:
    """log1p of 0, 0 and e - 1 is 0, 0 and 1: the mean is 1/3, the deviation sqrt(2) / 3."""
    state = fit(LOG, [-5, 0, np.e - 1])
    np.testing.assert_allclose(floats(state, [-1e9, -1, 0])[:, 0], -1 / np.sqrt(2), rtol=1e-6)
    np.testing.assert_allclose(floats(state, [np.e - 1]), [[np.sqrt(2)]], rtol=1e-6)


def test_numbers_are_clipped() -> None:
    state = fit(NUMBER, [-1, 1], clip=2.5)
    assert floats(state, [-1e30, -2, 2, 1e30])[:, 0].tolist() == [-2.5, -2, 2, 2.5]


def test_quantiles_by_hand() -> None:
    """Three quantiles of 0, 10, 10, 10, 110 are 0, 10 and 110, at the ranks 0, 1/2 and 1.

    The data's ranks are 0, 1/2, 1/2, 1/2 and 1: mean 1/2, deviation sqrt(2 / 5 / 4) = sqrt(1 / 10).
    """
    state = fit(QUANTILE, [0, 10, 10, 10, 110], quantiles=3)
    assert state.numbers["x"].quantiles == (0, 10, 110)
    ranks = [0, 0, 0.25, 0.5, 0.75, 1, 1]
    expected = (np.array(ranks) - 0.5) / np.sqrt(0.1)
    np.testing.assert_allclose(floats(state, [-99, 0, 5, 10, 60, 110, 1e9])[:, 0], expected, rtol=1e-6)


@pytest.mark.parametrize("share_of_zeros", [0.0, 0.9])
def test_quantiles_make_any_distribution_standard(share_of_zeros: float) -> None:
    """Even one with a heavy tail, and one of which most values are equal."""
    rng = np.random.default_rng(1)
    values = np.where(rng.random(5000) < share_of_zeros, 0, np.exp(3 * rng.normal(size=5000))).astype(np.float32)
    encoded = floats(fit(QUANTILE, list(values)), list(values))[:, 0]
    assert abs(encoded.mean()) < 1e-3
    assert abs(encoded.std() - 1) < 1e-2
    assert (np.diff(encoded[np.argsort(values)]) >= 0).all()


def test_neighbouring_quantiles_that_are_one_number_in_float32() -> None:
    """Between 1 and the next float32 the quantiles are interpolated in float64."""
    following = np.nextafter(np.float32(1), np.float32(2))
    values = [1.0, following] * 3 + [2.0]
    encoded = floats(fit(QUANTILE, values, quantiles=50), values)
    assert np.isfinite(encoded).all()
    assert encoded[0] < encoded[1] < encoded[-1]


@pytest.mark.parametrize("column", [NUMBER, LOG, QUANTILE, BOOLEAN, DATE])
@given(seen=st.lists(EVERY_FLOAT, max_size=8), requested=st.lists(EVERY_FLOAT, min_size=1, max_size=8))
@settings(max_examples=40, deadline=None)
def test_any_number_is_encoded_as_a_finite_one(column: ColumnConfig, seen: list[float], requested: list[float]) -> None:
    state = fit(column, seen)
    encoded = floats(state, seen + requested)
    assert encoded.shape == (len(seen + requested), state.num_floats)
    assert np.isfinite(encoded).all()
    assert (np.abs(encoded) <= state.config.clip).all()
    order = np.argsort(seen + requested, kind="stable")
    known = np.isfinite(np.array(seen + requested, np.float32)[order])
    steps = np.diff(encoded[order, 0][known])
    assert (steps <= 0).all() if column is DATE else (steps >= 0).all()  # the later born, the younger


def test_dates_are_ages_on_the_day_of_the_request() -> None:
    """Fitted on day 100, the birthdays 90 and 70 are ages of 10 and 30: mean 20, deviation 10."""
    state = fit(DATE, [90, 70], day=100)
    assert floats(state, [90, 70, NAN], day=100)[:, 0].tolist() == [-1, 1, 0]
    assert floats(state, [90, 110], day=110)[:, 0].tolist() == [0, -2]


def test_booleans_are_standardised_too() -> None:
    """Three of four are true: mean 3/4, deviation sqrt(3) / 4."""
    encoded = floats(fit(BOOLEAN, [1, 1, 1, 0]), [1, 0, NAN])[:, 0]
    np.testing.assert_allclose(encoded, [1 / np.sqrt(3), -np.sqrt(3), 0], rtol=1e-6)


def test_categories_are_counted_from_the_commonest() -> None:
    state = fit(CATEGORY, ["b", "c", "a", "c", "b", "c", ""])
    assert state.categories["x"] == ("c", "b", "a")
    assert state.category_sizes == (4,)
    assert categories(state, ["c", "b", "a"]) == [1, 2, 3]


@pytest.mark.parametrize("unknown", ["", "d", "A", " a", "[UNK]", "ä", "\x00"])
def test_an_unknown_category_is_a_missing_one(unknown: str) -> None:
    assert categories(fit(CATEGORY, ["a", "b", ""]), [unknown, "a"]) == [0, 1]


def test_categories_above_the_limit_are_unknown() -> None:
    state = fit(CATEGORY, ["b", "c", "a", "c", "b", "c"], max_categories=2)
    assert categories(state, ["c", "b", "a"]) == [1, 2, 0]


def test_equally_common_categories_are_sorted() -> None:
    assert fit(CATEGORY, ["b", "c", "a"]).categories["x"] == ("a", "b", "c")


def test_a_category_column_without_any_known_value_is_unknown() -> None:
    state = fit(CATEGORY, ["", ""])
    assert state.category_sizes == (1,)
    assert categories(state, ["", "a"]) == [0, 0]


@given(st.lists(WORDS | st.sampled_from(["[UNK]", "", "\x00", "-1"]), min_size=1, max_size=8))
@settings(max_examples=40, deadline=None)
def test_any_category_may_be_learnt(values: list[str]) -> None:
    state = fit(CATEGORY, values)
    indices = categories(state, values)
    for value, index in zip(values, indices, strict=True):
        if not value.endswith("\x00"):  # NumPy drops trailing NULs, so these are unknown
            assert index == (0 if value == "" else state.categories["x"].index(value) + 1)
    assert max(indices) < state.category_sizes[0]


def test_texts_are_hashed_words_without_case_and_punctuation() -> None:
    state = fit(TEXT, ["", ""], text_tokens=3, text_buckets=10_000)
    tokens = encode(state, {"x": array(["Likes FUNDS!", "funds", "", " ... ", "a b c d", "ÄRGER, ärger", "2x-3"])})[
        "tokens"
    ]
    assert tokens.shape == (7, 3)
    likes, funds = tokens[0, :2]
    assert tokens[0, 2] == 0
    assert likes != funds
    assert tokens[1].tolist() == [funds, 0, 0]
    assert tokens[2:4].tolist() == [[0] * 3] * 2
    assert (tokens[4] > 0).all()  # the fourth word is not read
    assert tokens[5, 0] == tokens[5, 1] > 0
    assert np.count_nonzero(tokens[6]) == 2
    assert tokens.max() < state.config.text_buckets


@given(st.lists(WORDS, min_size=1, max_size=5))
@settings(max_examples=30, deadline=None)
def test_any_text_is_read(values: list[str]) -> None:
    tokens = encode(fit(TEXT, [""], text_tokens=4, text_buckets=2), {"x": array(values)})["tokens"]
    assert tokens.shape == (len(values), 4)
    assert np.isin(tokens, [0, 1]).all()  # one bucket beside the padding
    assert (np.diff(tokens, axis=1) <= 0).all()  # padding comes last


def test_ids_are_not_read() -> None:
    columns = {"x": ColumnConfig(role="id"), "y": NUMBER}
    state = fit_encoder({"x": array(["a"]), "y": array([1])}, columns, EncoderConfig(), 0)
    assert state.columns == {"y": True}


def test_a_table_without_columns_is_encoded_as_nothing() -> None:
    state = fit_encoder({}, {}, EncoderConfig(), 0)
    encoded = FeatureEncoder(state)({}, as_of_day=tf.zeros([3], tf.int64))
    assert {name: (tensor.shape, tensor.dtype) for name, tensor in encoded.items()} == {
        "floats": ((3, 0), tf.float32),
        "categories": ((3, 0), tf.int32),
        "tokens": ((3, 0), tf.int32),
    }
    assert state.category_sizes == ()
    assert state.num_floats == 0


COLUMNS = {
    "income": LOG, "score": QUANTILE, "age": NUMBER, "app": BOOLEAN, "born": DATE,
    "segment": CATEGORY, "nothing": CATEGORY, "note": TEXT, "remark": TEXT,
}  # fmt: skip
ROWS = {
    "income": array([10, NAN, -3, 1e6]),
    "score": array([1, 2, 2, 900]),
    "age": array([20, 30, INF, 40]),
    "app": array([1, 0, NAN, 1]),
    "born": array([-5000, NAN, 0, 100]),
    "segment": array(["retail", "", "private", "retail"]),
    "nothing": array(["", "", "", ""]),
    "note": array(["likes funds", "", "ä", "one two three four five"]),
    "remark": array(["", "", "", "x"]),
}


@pytest.fixture(scope="module")
def state() -> EncoderState:
    return fit_encoder(ROWS, COLUMNS, EncoderConfig(text_tokens=3, quantiles=3), day=100)


def test_a_batch_equals_its_rows_one_by_one(state: EncoderState) -> None:
    batch = encode(state, ROWS, day=120)
    for row in range(4):
        single = encode(state, {name: values[row : row + 1] for name, values in ROWS.items()}, day=120)
        for name, values in single.items():
            np.testing.assert_array_equal(values, batch[name][row : row + 1], strict=True)


def test_state_survives_json(state: EncoderState) -> None:
    again = EncoderState.model_validate_json(state.model_dump_json())
    assert again == state
    assert again.digest == state.digest
    assert list(again.columns) == list(state.columns)
    assert fit_encoder(ROWS, COLUMNS, EncoderConfig(text_tokens=3, quantiles=3), day=101).digest != state.digest


class Exported(tf.Module):
    def __init__(self, state: EncoderState) -> None:
        super().__init__()
        self.encoder = FeatureEncoder(state)
        signature = [raw_columns_spec(state), tf.TensorSpec([None], tf.int64)]
        self.encode = tf.function(
            lambda features, day: self.encoder(features, as_of_day=day), input_signature=signature
        )


def test_a_saved_model_encodes_alike(state: EncoderState, tmp_path: Path) -> None:
    before = encode(state, ROWS, day=120)
    tf.saved_model.save(Exported(state), str(tmp_path))
    tensors = {name: tf.constant(values) for name, values in ROWS.items()}
    after = tf.saved_model.load(str(tmp_path)).encode(tensors, tf.fill([4], np.int64(120)))
    for name, values in before.items():
        np.testing.assert_array_equal(after[name].numpy(), values, strict=True)

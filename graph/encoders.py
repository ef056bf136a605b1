"""Raw features to tensors, inside the graph: what is learned from the data is a small JSON, the rest is arithmetic.

A `FeatureEncoder` turns one table's raw columns into three packed tensors, so that a model has three inputs and not
one per column:

    floats      [batch, num_floats]      standardised numbers, booleans and ages, then flags for missing values
    categories  [batch, num_categories]  index into each column's vocabulary; 0 is missing or unknown
    tokens      [batch, num_tokens]      hashed words of the text columns; 0 is padding
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

import numpy as np
import tensorflow as tf

from nextbest.data.config import ColumnConfig, EncoderConfig
from nextbest.data.dataset import Array, Features
from nextbest.data.settings import SettingsModel

__all__ = ["EncoderState", "FeatureEncoder", "NumberState", "fit_encoder", "pack_columns", "raw_columns_spec"]


class NumberState(SettingsModel):
    """What was learned of one number, boolean or date column."""

    kind: str
    """number, boolean or date."""
    transform: str
    """none, log1p or quantile."""
    mean: float
    """Mean of the transformed known values."""
    scale: float
    """Standard deviation of the transformed known values, 1 where float32 cannot tell it from 0."""
    flag_missing: bool
    """Whether missing values were seen, so that a flag for them can be learned. Otherwise missing means average."""
    quantiles: tuple[float, ...] = ()
    """Increasing quantiles of the known values, two or more, for transform = "quantile"."""


class EncoderState(SettingsModel):
    """All that was learned of one table; a JSON file."""

    config: EncoderConfig
    """The settings it was learned with."""
    numbers: dict[str, NumberState]
    """Number, boolean and date columns, in the order of the table."""
    categories: dict[str, tuple[str, ...]]
    """Category columns with their vocabularies, the commonest value first."""
    texts: tuple[str, ...]
    """Text columns."""

    @property
    def columns(self) -> dict[str, bool]:
        """The columns that are read -> whether the column is numeric."""
        return {**dict.fromkeys(self.numbers, True), **dict.fromkeys(self.words, False)}

    @property
    def words(self) -> tuple[str, ...]:
        """Category and text columns, in the order in which a `FeatureEncoder` reads them."""
        return (*self.categories, *self.texts)

    @property
    def num_floats(self) -> int:
        """Width of `floats`."""
        return len(self.numbers) + sum(number.flag_missing for number in self.numbers.values())

    @property
    def category_sizes(self) -> tuple[int, ...]:
        """Number of indices of each category column, the 0 for unknown included."""
        return tuple(len(vocabulary) + 1 for vocabulary in self.categories.values())

    @property
    def digest(self) -> str:
        """Fingerprint by which two stages know that they share an encoder."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:16]


def fit_encoder(
    features: Features, columns: Mapping[str, ColumnConfig], config: EncoderConfig, day: int
) -> EncoderState:
    """Learn scales and vocabularies.

    Args:
        features: Raw columns, [num_rows]; only rows that are known at the cutoff.
        columns: The columns' roles; columns with the role id are not read.
        config: Settings.
        day: The cutoff at which dates become ages, days since 1970-01-01.
    """
    numbers, categories, texts = {}, {}, []
    for name, column in columns.items():
        values = features[name]
        if column.role == "date":
            numbers[name] = _fit_number(np.float32(day) - values, column, config)
        elif column.role in ("number", "boolean"):
            numbers[name] = _fit_number(values, column, config)
        elif column.role == "category":
            categories[name] = _fit_vocabulary(values, config)
        elif column.role == "text":
            texts.append(name)
    return EncoderState(config=config, numbers=numbers, categories=categories, texts=tuple(texts))


def _fit_number(values: Array, column: ColumnConfig, config: EncoderConfig) -> NumberState:
    known = values[np.isfinite(values)].astype(np.float64)
    transform, quantiles, transformed = column.transform, np.zeros(0), known
    if transform == "log1p":
        transformed = np.log1p(np.maximum(known, 0))
    elif transform == "quantile":
        if len(known):
            quantiles = np.unique(np.quantile(known, np.linspace(0, 1, config.quantiles)))
        if len(quantiles) > 1:
            transformed = np.interp(known, quantiles, np.linspace(0, 1, len(quantiles)))
        else:  # a constant has no distribution
            transform, quantiles = "none", np.zeros(0)
    mean, scale = _mean_and_scale(transformed)
    return NumberState(
        kind=column.role,
        transform=transform,
        mean=mean,
        scale=scale,
        flag_missing=len(known) < len(values),
        quantiles=tuple(quantiles.tolist()),
    )


def _mean_and_scale(values: Array) -> tuple[float, float]:
    if not len(values):
        return 0.0, 1.0
    mean, deviation = float(values.mean()), float(values.std())
    # The mean of equal values may be off by a rounding error, and TensorFlow takes a subnormal number for 0.
    single = np.finfo(np.float32)
    smallest = max(abs(mean) * float(single.eps), float(single.tiny))
    return mean, deviation if deviation > smallest else 1.0


def _fit_vocabulary(values: Array, config: EncoderConfig) -> tuple[str, ...]:
    words, counts = np.unique(values.astype(str), return_counts=True)
    known = words != ""  # astype drops trailing NULs, so that only now every empty word shows
    words, counts = words[known], counts[known]
    return tuple(words[np.argsort(-counts, kind="stable")][: config.max_categories].tolist())


class FeatureEncoder(tf.Module):
    """Raw columns to packed tensors; see the module's docstring for the shapes."""

    def __init__(self, state: EncoderState, name: str = "feature_encoder") -> None:
        super().__init__(name=name)
        self.state = state
        numbers = list(state.numbers.values())
        self._is_date = np.array([number.kind == "date" for number in numbers], np.float32)
        self._is_log = np.array([number.transform == "log1p" for number in numbers], bool)
        self._mean = np.array([number.mean for number in numbers], np.float32)
        # Multiplied, not divided by: TensorFlow turns a division by a constant into this in graphs, but not eagerly.
        self._inverse_scale = np.array([1 / number.scale for number in numbers], np.float32)
        self._flagged = np.flatnonzero([number.flag_missing for number in numbers]).astype(np.int32)
        self._quantiles = {i: number.quantiles for i, number in enumerate(numbers) if number.transform == "quantile"}
        # One table for all columns, in which each word has the number of its column before it.
        self._columns = [f"{number}/" for number in range(len(state.categories))]
        vocabularies = zip(self._columns, state.categories.values(), strict=True)
        indices = {column + word: index + 1 for column, words in vocabularies for index, word in enumerate(words)}
        if indices:
            keys, values = tf.constant(list(indices)), tf.constant(list(indices.values()), tf.int32)
            self._indices = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(keys, values), 0)
        self._has_words = bool(indices)

    def __call__(self, features: Mapping[str, tf.Tensor], as_of_day: tf.Tensor) -> dict[str, tf.Tensor]:
        """Encode raw columns.

        Args:
            features: Column -> tensor [batch], float32 or string.
            as_of_day: The day at which dates become ages, int64 [batch].
        """
        return self.encode(*pack_columns(features, self.state, tf.shape(as_of_day)[0]), as_of_day)

    def encode(self, numbers: tf.Tensor, words: tf.Tensor, as_of_day: tf.Tensor) -> dict[str, tf.Tensor]:
        """Encode packed raw columns.

        Args:
            numbers: The state's `numbers`, float32 [batch, num_columns].
            words: The state's `words`, string [batch, num_columns].
            as_of_day: The day at which dates become ages, int64 [batch].
        """
        num_categories = len(self.state.categories)
        return {
            "floats": self._floats(numbers, as_of_day),
            "categories": self._categories(words[:, :num_categories]),
            "tokens": self._tokens(words[:, num_categories:]),
        }

    def _floats(self, numbers: tf.Tensor, as_of_day: tf.Tensor) -> tf.Tensor:
        if not self.state.numbers:
            return numbers
        day = tf.cast(as_of_day, tf.float32)[:, None]
        raw = tf.where(self._is_date > 0, day - numbers, numbers)
        finite = tf.math.is_finite(raw)
        known = tf.where(finite, raw, 0.0)
        transformed = tf.where(self._is_log, _log1p(tf.maximum(known, 0.0)), known)
        if self._quantiles:
            columns = tf.unstack(transformed, num=len(self.state.numbers), axis=1)
            for position, quantiles in self._quantiles.items():
                columns[position] = _quantile_rank(columns[position], quantiles)
            transformed = tf.stack(columns, axis=1)
        clip = self.state.config.clip
        standard = tf.clip_by_value((transformed - self._mean) * self._inverse_scale, -clip, clip)
        flags = 1.0 - tf.gather(tf.cast(finite, tf.float32), self._flagged, axis=1)
        return tf.concat([tf.where(finite, standard, 0.0), flags], axis=1)

    def _categories(self, words: tf.Tensor) -> tf.Tensor:
        if not self._has_words:
            return tf.zeros(tf.shape(words), tf.int32)
        found: tf.Tensor = self._indices.lookup(
            tf.strings.join([tf.broadcast_to(self._columns, tf.shape(words)), words])
        )
        return found

    def _tokens(self, texts: tf.Tensor) -> tf.Tensor:
        config = self.state.config
        if not self.state.texts:
            return tf.zeros(tf.shape(texts), tf.int32)
        columns = []
        for column in tf.unstack(texts, axis=1):
            text = tf.strings.regex_replace(tf.strings.lower(column, encoding="utf-8"), r"[^\pL\pN]+", " ")
            words = tf.strings.split(tf.strings.strip(text))[:, : config.text_tokens]
            bucket = tf.strings.to_hash_bucket_fast(words.flat_values, config.text_buckets - 1) + 1
            ids = words.with_flat_values(tf.cast(bucket, tf.int32))
            columns.append(ids.to_tensor(shape=[None, config.text_tokens]))
        return tf.concat(columns, axis=1)


def pack_columns(
    features: Mapping[str, tf.Tensor], state: EncoderState, batch: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Return raw columns, [batch] each, as `FeatureEncoder.encode` takes them: numbers and words."""

    def pack(names: Iterable[str], dtype: tf.DType) -> tf.Tensor:
        columns = [features[name] for name in names]
        return tf.stack(columns, axis=1) if columns else tf.zeros([batch, 0], dtype)

    return pack(state.numbers, tf.float32), pack(state.words, tf.string)


def raw_columns_spec(state: EncoderState) -> dict[str, tf.TensorSpec]:
    """Return the tensor specifications of the raw columns, [None] each."""
    return {
        name: tf.TensorSpec([None], tf.float32 if numeric else tf.string, name=name)
        for name, numeric in state.columns.items()
    }


def _log1p(values: tf.Tensor) -> tf.Tensor:
    """Logarithm by way of float64: in float32 its last digits depend on a value's place in the batch."""
    return tf.cast(tf.math.log1p(tf.cast(values, tf.float64)), tf.float32)


def _quantile_rank(values: tf.Tensor, quantiles: tuple[float, ...]) -> tf.Tensor:
    """Piecewise-linear distribution function, 0 at the first quantile and 1 at the last, float32 [batch].

    In float64, because neighbouring quantiles may be one number in float32.
    """
    edges, values = tf.constant(quantiles, tf.float64), tf.cast(values, tf.float64)
    right = tf.clip_by_value(tf.searchsorted(edges, values), 1, len(quantiles) - 1)
    low, high = tf.gather(edges, right - 1), tf.gather(edges, right)
    share = tf.clip_by_value((values - low) / (high - low), 0.0, 1.0)
    return tf.cast((tf.cast(right - 1, tf.float64) + share) * (1 / (len(quantiles) - 1)), tf.float32)

"""Raw requests as serialized tf.Examples: what a TF Serving client that knows only the schema sends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nextbest.data.assertions import require
from nextbest.data.tensorflow import tf

__all__ = ["parse_requests"]


_MISSING = {tf.string: "", tf.float32: float("nan")}
_PADDING = {tf.string: "", tf.float32: 0.0, tf.int64: tf.int64.min}


def parse_requests(
    examples: Any, specs: Mapping[str, Any], defaults: Mapping[str, int], parallel: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Parse requests; a feature that an example lacks is missing (NaN, '' or an empty list) or has its default.

    Lists become as long as the batch's longest: words are padded with '', numbers with 0 and days with the example's
    day, which is what a day that was left out means in an example of its own too (see `data.query`).

    Args:
        examples: Serialized tf.Examples, string [batch].
        specs: Feature -> tensor specification: [None] is one value per example, [None, None] a list of any length.
        defaults: Whole-number feature -> what it is in an example that lacks it, `as_of_day` among them.
        parallel: Lists that must have one length in each example.

    Returns:
        Feature -> tensor, as the specifications say.

    Raises:
        tf.errors.InvalidArgumentError: An example cannot be parsed, a feature has another type, or parallel lists
            differ in length; they are named.
    """
    lists = {name: spec for name, spec in specs.items() if spec.shape.rank == 2}
    features: dict[str, Any] = {name: tf.io.VarLenFeature(spec.dtype) for name, spec in lists.items()}
    for name, spec in specs.items():
        if name not in lists:
            default = defaults[name] if spec.dtype == tf.int64 else _MISSING[spec.dtype]
            features[name] = tf.io.FixedLenFeature([], spec.dtype, default)
    parsed = tf.io.parse_example(examples, features)
    if parallel:
        with tf.control_dependencies([_equally_long({name: parsed[name] for name in parallel})]):
            parsed |= {name: tf.sparse.map_values(tf.identity, parsed[name]) for name in parallel}
    for name, spec in lists.items():
        parsed[name] = tf.sparse.to_dense(parsed[name], default_value=_PADDING[spec.dtype])
        if spec.dtype == tf.int64:
            parsed[name] = tf.where(parsed[name] == tf.int64.min, parsed["as_of_day"][:, None], parsed[name])
    return dict(parsed)


def _equally_long(lists: Mapping[str, Any]) -> Any:
    """Return an operation that refuses examples with lists of different lengths."""
    batch = tf.cast(next(iter(lists.values())).dense_shape[0], tf.int32)
    rows = [values.indices[:, 0] for values in lists.values()]
    lengths = tf.stack([tf.math.unsorted_segment_sum(tf.ones_like(row, tf.int32), row, batch) for row in rows], axis=1)
    equal = tf.reduce_all(lengths == lengths[:, :1], axis=1)

    def message() -> Any:
        first = tf.where(~equal)[0, 0]
        counted = tf.strings.join([list(lists), tf.strings.as_string(lengths[first])], separator=" has ")
        place = tf.strings.as_string(first)
        return tf.strings.join(
            ["lists of example ", place, " differ in length: ", tf.strings.reduce_join(counted, separator=", ")]
        )

    return require(tf.reduce_all(equal), message)

"""Signatures of exported models, whose raw tensors are checked before anything reads them.

TensorFlow Serving compares a request's names and types with the signature, and leaves its shapes to the graph, where a
wrong one would fail somewhere inside with the name of an operation. Here it fails with the name of the input.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from nextbest.graph.served_inputs import SERVED_INPUTS, ServedInput

__all__ = [
    "clip_k",
    "examples_signature",
    "graph_function",
    "input_specs",
    "join_first",
    "parse_requests",
    "require",
    "signature",
]

Answer = Callable[[dict[str, tf.Tensor]], dict[str, tf.Tensor]]
"""From the inputs of a signature to its outputs, by name."""


def signature(answer: Answer, specs: Mapping[str, tf.TensorSpec]) -> tf.types.experimental.PolymorphicFunction:
    """Return a signature that checks its inputs and answers them; it is called with a dict of them.

    It is traced when it is saved, together with the model's functions: those that several signatures call are traced
    and exported once.

    Called with a wrong number of dimensions or with inputs of different batch sizes it raises an InvalidArgument that
    names them.

    Args:
        answer: From inputs to outputs, by name.
        specs: Input -> tensor specification; the batch is the first dimension of all.
    """

    def call(inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return answer(_check_shapes(inputs, specs))

    return graph_function(call, input_signature=[specs])


def examples_signature(
    answer: Answer,
    specs: Mapping[str, tf.TensorSpec],
    defaults: Mapping[str, int],
    parallel: tuple[str, ...] = (),
) -> tf.types.experimental.PolymorphicFunction:
    """Return a signature that answers the requests in `examples`, serialized tf.Examples, string [batch].

    Args:
        answer: From the parsed requests to outputs, by name.
        specs: What an example holds; see `parse_requests`.
        defaults: See `parse_requests`.
        parallel: See `parse_requests`.
    """

    def parse(inputs: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return answer(parse_requests(inputs["examples"], specs, defaults, parallel))

    return signature(parse, {"examples": tf.TensorSpec([None], tf.string, name="examples")})


def graph_function(function: Callable[..., Any], input_signature: Sequence[Any] | None = None) -> Any:
    """Return a tf.function of one that has no Python control flow over tensors, as all of ours are.

    It is traced without AutoGraph, which would rewrite the source of whatever it calls.
    """
    return tf.function(function, input_signature=input_signature, autograph=False)


def input_specs(*names: str) -> dict[str, tf.TensorSpec]:
    """Return the tensor specifications of inputs of `SERVED_INPUTS`, in the given order."""
    return {name: _input_spec(name, SERVED_INPUTS[name]) for name in names}


def _input_spec(name: str, served: ServedInput) -> tf.TensorSpec:
    return tf.TensorSpec([None, None] if served.is_list else [None], tf.as_dtype(served.dtype), name=name)


def clip_k(k: tf.Tensor, num_products: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Return each customer's k, at most the catalogue's size, int32 [batch], and the largest (1 of no customers).

    Args:
        k: How many products each customer is to get, int64 [batch].
        num_products: The catalogue's size.

    Raises:
        tf.errors.InvalidArgumentError: A k is below 1.
    """
    positive = require(
        tf.reduce_all(k >= 1),
        lambda: tf.strings.join(["k is ", tf.strings.as_string(tf.reduce_min(k)), "; ask for at least 1 product"]),
    )
    with tf.control_dependencies([positive]):
        clipped = tf.cast(tf.minimum(k, num_products), tf.int32)
    return clipped, tf.maximum(tf.reduce_max(clipped), 1)


def _check_shapes(inputs: Mapping[str, tf.Tensor], specs: Mapping[str, tf.TensorSpec]) -> dict[str, tf.Tensor]:
    """Return the inputs, which nothing can read before their shapes were found good."""
    shaped = {name: tf.ensure_shape(inputs[name], spec.shape) for name, spec in specs.items()}
    with tf.control_dependencies([_require_one_batch_size(shaped)]):
        return dict(zip(shaped, tf.identity_n(list(shaped.values())), strict=True))


def _require_one_batch_size(inputs: Mapping[str, tf.Tensor]) -> tf.Operation:
    """Return an operation that refuses inputs of different batch sizes.

    Operations on many inputs at once are fewer, and so take less time, than one for each.
    """
    by_dtype: dict[tf.DType, list[str]] = {}
    for name, tensor in inputs.items():
        by_dtype.setdefault(tensor.dtype, []).append(name)
    names = [name for group in by_dtype.values() for name in group]
    shapes = [shape for group in by_dtype.values() for shape in tf.shape_n([inputs[name] for name in group])]
    first = np.cumsum([0, *(inputs[name].shape.rank for name in names[:-1])])
    lengths = tf.gather(tf.concat(shapes, axis=0), first)
    equal = tf.reduce_min(lengths) == tf.reduce_max(lengths)
    return require(equal, lambda: _describe_batch_sizes(names, lengths))


def _describe_batch_sizes(names: list[str], lengths: tf.Tensor) -> tf.Tensor:
    """Return a message that names the inputs whose length is not that of most."""
    sizes, _, counts = tf.unique_with_counts(lengths)
    usual = sizes[tf.argmax(counts)]
    odd = lengths != usual
    parts = [tf.boolean_mask(names, odd), tf.strings.as_string(tf.boolean_mask(lengths, odd))]
    return tf.strings.join(
        [
            "the inputs differ in their batch size: ",
            join_first(tf.strings.join(parts, separator=" has ")),
            ", the others have ",
            tf.strings.as_string(usual),
        ]
    )


_MISSING = {tf.string: "", tf.float32: float("nan")}
_PADDING = {tf.string: "", tf.float32: 0.0, tf.int64: tf.int64.min}


def parse_requests(
    examples: tf.Tensor, specs: Mapping[str, tf.TensorSpec], defaults: Mapping[str, int], parallel: tuple[str, ...] = ()
) -> dict[str, tf.Tensor]:
    """Parse requests; a feature that an example lacks is missing (NaN, '' or an empty list) or has its default.

    Lists become as long as the batch's longest: words are padded with '', numbers with 0 and days with the example's
    day, which is what a day that was left out means in an example of its own too (see `graph.query`).

    Args:
        examples: Serialized tf.Examples, string [batch].
        specs: Feature -> tensor specification: [None] is one value per example, [None, None] a list of any length.
        defaults: Whole-number feature -> what it is in an example that lacks it, `as_of_day` among them.
        parallel: Lists that must have one length in each example. `X_days` must be as long as `X_products`, or left
            out.

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
    dated = [(name, f"{name.removesuffix('products')}days") for name in lists if name.endswith("_products")]
    for together, may_lack in [(parallel, False), *((pair, True) for pair in dated if pair[1] in lists)]:
        if together:
            checked = _require_equal_lengths({name: parsed[name] for name in together}, may_lack)
            with tf.control_dependencies([checked]):
                parsed |= {name: tf.sparse.map_values(tf.identity, parsed[name]) for name in together}
    for name, spec in lists.items():
        parsed[name] = tf.sparse.to_dense(parsed[name], default_value=_PADDING[spec.dtype])
        if spec.dtype == tf.int64:
            parsed[name] = tf.where(parsed[name] == tf.int64.min, parsed["as_of_day"][:, None], parsed[name])
    return dict(parsed)


def _require_equal_lengths(lists: Mapping[str, tf.SparseTensor], may_lack: bool) -> tf.Operation:
    """Return an operation that refuses examples with lists of different lengths; others may be empty if so said."""
    batch = tf.cast(next(iter(lists.values())).dense_shape[0], tf.int32)
    rows = [values.indices[:, 0] for values in lists.values()]
    lengths = tf.stack([tf.math.unsorted_segment_sum(tf.ones_like(row, tf.int32), row, batch) for row in rows], axis=1)
    equal = tf.reduce_all(tf.logical_or(lengths == lengths[:, :1], tf.logical_and(may_lack, lengths == 0)), axis=1)

    def message() -> tf.Tensor:
        first = tf.where(~equal)[0, 0]
        counted = tf.strings.join([list(lists), tf.strings.as_string(lengths[first])], separator=" has ")
        place = tf.strings.as_string(first)
        return tf.strings.join(
            ["lists of example ", place, " differ in length: ", tf.strings.reduce_join(counted, separator=", ")]
        )

    return require(tf.reduce_all(equal), message)


_NAMED = 5
"""So many wrong values are named in a message."""


def require(holds: tf.Tensor, message: Callable[[], tf.Tensor]) -> tf.Operation:
    """Return an operation that raises an InvalidArgument unless a condition holds.

    Args:
        holds: The condition, a bool scalar.
        message: Makes what the error says, a string scalar; computed only for it.
    """
    return tf.cond(holds, tf.no_op, lambda: tf.debugging.Assert(False, [message()]))


def join_first(strings: tf.Tensor) -> tf.Tensor:
    """Return the first few of some strings, [any], as one, string scalar."""
    return tf.strings.reduce_join(strings[:_NAMED], separator=", ")

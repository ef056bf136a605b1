"""Signatures of exported models, whose raw tensors are checked before anything reads them.

TensorFlow Serving compares a request's names and types with the signature, and leaves its shapes to the graph, where a
wrong one would fail somewhere inside with the name of an operation. Here it fails with the name of the input.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nextbest.data.assertions import listing, require
from nextbest.data.serialized import parse_requests
from nextbest.data.tensorflow import tf

__all__ = ["clipped_k", "examples_signature", "k_spec", "product_spec", "signature"]


def signature(answer: Callable[[dict[str, Any]], dict[str, Any]], specs: Mapping[str, Any]) -> Any:
    """Return a signature that checks its inputs and answers them.

    Called with a wrong number of dimensions or with inputs of different batch sizes it raises an InvalidArgument that
    names them.

    Args:
        answer: From inputs to outputs, by name.
        specs: Input -> tensor specification; the batch is the first dimension of all.
    """

    def call(**inputs: Any) -> dict[str, Any]:
        return answer(_checked(inputs, specs))

    return tf.function(call).get_concrete_function(**specs)


def examples_signature(
    answer: Callable[[dict[str, Any]], dict[str, Any]],
    specs: Mapping[str, Any],
    defaults: Mapping[str, int],
    parallel: tuple[str, ...] = (),
) -> Any:
    """Return a signature that answers the requests in `examples`, serialized tf.Examples, string [batch].

    Args:
        answer: From the parsed requests to outputs, by name.
        specs: What an example holds; see `parse_requests`.
        defaults: See `parse_requests`.
        parallel: See `parse_requests`.
    """

    def parse(inputs: Mapping[str, Any]) -> dict[str, Any]:
        return answer(parse_requests(inputs["examples"], specs, defaults, parallel))

    return signature(parse, {"examples": tf.TensorSpec([None], tf.string, name="examples")})


def k_spec() -> dict[str, Any]:
    """Return the input that says how many products each customer of the batch is to get."""
    return {"k": tf.TensorSpec([None], tf.int64, name="k")}


def product_spec() -> dict[str, Any]:
    """Return the input that names one product per row."""
    return {"product_id": tf.TensorSpec([None], tf.string, name="product_id")}


def clipped_k(k: Any, num_products: int) -> tuple[Any, Any]:
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


def _checked(inputs: Mapping[str, Any], specs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the inputs, which nothing can read before their shapes were found good."""
    shaped = {name: tf.ensure_shape(inputs[name], spec.shape) for name, spec in specs.items()}
    lengths = tf.stack([tf.shape(tensor)[0] for tensor in shaped.values()])
    with tf.control_dependencies([require(tf.reduce_all(lengths == lengths[0]), lambda: _odd(list(specs), lengths))]):
        return {name: tf.identity(tensor) for name, tensor in shaped.items()}


def _odd(names: list[str], lengths: Any) -> Any:
    """Return a message that names the inputs whose length is not that of most."""
    sizes, _, counts = tf.unique_with_counts(lengths)
    usual = sizes[tf.argmax(counts)]
    odd = lengths != usual
    told = [tf.boolean_mask(names, odd), tf.strings.as_string(tf.boolean_mask(lengths, odd))]
    return tf.strings.join(
        [
            "the inputs differ in their batch size: ",
            listing(tf.strings.join(told, separator=" has ")),
            ", the others have ",
            tf.strings.as_string(usual),
        ]
    )

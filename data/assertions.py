"""Conditions that a served request must meet, checked in the graph, with messages for who sent it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nextbest.data.tensorflow import tf

__all__ = ["listing", "require"]

_NAMED = 5
"""So many wrong values are named in a message."""


def require(holds: Any, message: Callable[[], Any]) -> Any:
    """Return an operation that raises an InvalidArgument unless a condition holds.

    Args:
        holds: The condition, a bool scalar.
        message: Makes what the error says, a string scalar; computed only for it.
    """
    return tf.cond(holds, tf.no_op, lambda: tf.debugging.Assert(False, [message()]))


def listing(words: Any) -> Any:
    """Return the first few words of a string [any] as one, string scalar."""
    return tf.strings.reduce_join(words[:_NAMED], separator=", ")

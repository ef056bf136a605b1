"""Words as TensorFlow and as people have them."""

from __future__ import annotations

import numpy as np

from nextbest.data.dataset import Array

__all__ = ["decoded"]


def decoded(values: Array) -> Array:
    """Return UTF-8 bytes as object str, same shape; other values as they are."""
    if values.dtype != object:
        return values
    return np.array([word.decode("utf-8") for word in values.flat], object).reshape(values.shape)

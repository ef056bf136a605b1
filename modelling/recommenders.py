"""The one place that imports TensorFlow Recommenders: it refuses Keras 3, so the other import must come first."""

from __future__ import annotations

from nextbest.data.tensorflow import tf

# isort: split
import tensorflow_recommenders as tfrs

__all__ = ["tf", "tfrs"]

"""A model that gives back what it gets, so that what becomes of values on their way can be seen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tensorflow as tf

__all__ = ["save_echo"]


def save_echo(folder: Path) -> None:
    """Write it into `folder`: signatures `echo` (words, numbers and days to themselves) and `greet`."""

    @tf.function
    def echo(**inputs: Any) -> dict[str, Any]:
        return {name: tf.identity(values) for name, values in inputs.items()}

    @tf.function
    def greet(name: Any) -> dict[str, Any]:
        return {"greeting": "hello " + name}

    specs = {
        "words": tf.TensorSpec([None, None], tf.string, name="words"),
        "numbers": tf.TensorSpec([None], tf.float32, name="numbers"),
        "days": tf.TensorSpec([None, None], tf.int64, name="days"),
    }
    signatures = {
        "echo": echo.get_concrete_function(**specs),
        "greet": greet.get_concrete_function(name=tf.TensorSpec([None], tf.string, name="name")),
    }
    module = tf.Module()
    module.echo, module.greet = echo, greet
    tf.saved_model.save(module, str(folder), signatures)

"""Weights without training: a model over another catalogue, with what a checkpoint knows of its products."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from nextbest.data.catalogue import Encoders
from nextbest.data.dataset import Array, positions_of
from nextbest.data.tensorflow import tf
from nextbest.modelling.training import restore

__all__ = ["blank", "carried_over", "rows_by_id"]


def blank(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return zeros of tensor specifications, with 1 for each unknown dimension: calling a layer makes its variables."""
    sizes = {name: [1 if size is None else size for size in tensor.shape] for name, tensor in spec.items()}
    return {name: tf.zeros(sizes[name], tensor.dtype) for name, tensor in spec.items()}


def rows_by_id(rows: Array, old_ids: Array, new_ids: Array) -> Array:
    """Move the rows of a table to the positions that their ids have in another list.

    An id that was not known gets a row of zeros: nothing was learnt of it, so its row adds nothing to a sum or to a
    score, and what the model reads of its features speaks alone. The row of an id that is gone is dropped.

    Args:
        rows: One row per old id, [num_old, ...].
        old_ids: Sorted, [num_old].
        new_ids: [num_new].

    Returns:
        One row per new id, [num_new, ...].
    """
    positions = positions_of(new_ids, old_ids)
    known = positions >= 0
    moved = np.zeros((len(new_ids), *rows.shape[1:]), rows.dtype)
    moved[known] = rows[positions[known]]
    return moved


def carried_over(build: Callable[[Encoders], Any], trained: Encoders, encoders: Encoders, checkpoints: Path) -> Any:
    """Return a trained model in the positions of other products.

    Args:
        build: Encoders -> a model whose variables exist; its `product_tables` are those with a row per product.
        trained: The encoders that the model was trained with.
        encoders: The same over other products.
        checkpoints: The folder of its training.
    """
    source, model = build(trained), build(encoders)
    restore(source, checkpoints)
    tables = {table.ref() for table in model.product_tables}
    for old, new in zip(source.variables, model.variables, strict=True):
        rows = old.numpy()
        new.assign(rows_by_id(rows, trained.product_ids, encoders.product_ids) if new.ref() in tables else rows)
    return model

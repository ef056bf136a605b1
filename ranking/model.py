"""The ranker's training model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nextbest.data.catalogue import Encoders
from nextbest.data.config import DataConfig
from nextbest.data.snapshot import NO_PRODUCT
from nextbest.data.statistics_config import StatisticsConfig
from nextbest.modelling.layers import step_variable
from nextbest.modelling.recommenders import tf, tfrs
from nextbest.ranking.config import RankingConfig
from nextbest.ranking.examples import WindowExamples
from nextbest.ranking.losses import listwise_softmax, probability_loss
from nextbest.ranking.network import RankingNetwork

__all__ = ["RankingModel"]


class RankingModel(tfrs.Model):
    """The network with its losses. A batch is {"window": scalar, "examples": int32 [batch]} into the bound windows."""

    def __init__(
        self, encoders: Encoders, statistics: StatisticsConfig, data: DataConfig, config: RankingConfig, seed: int
    ) -> None:
        """Build the network; see `RankingNetwork`."""
        super().__init__(name="ranker")
        self.config = config
        self.step = step_variable()
        self.network = RankingNetwork(encoders, statistics, data, config, seed * 1000, self.step)
        self.mean_loss = tf.keras.metrics.Mean(name="mean_loss")
        self._data: dict[str, Any] | None = None

    @property
    def product_tables(self) -> list[Any]:
        """The variables with a row per product."""
        return self.network.product_tables

    def bind(self, windows: Sequence[WindowExamples]) -> None:
        """Put the windows' examples into the graph, one after the other."""
        queries = [window.queries for window in windows]
        self._data = {
            "queries": {name: tf.constant(_stack([query[name] for query in queries], name)) for name in queries[0]},
            "candidates": tf.constant(_stack([window.candidates for window in windows], "candidates")),
            "scores": tf.constant(_stack([window.scores for window in windows], "scores")),
            "labels": tf.constant(_stack([window.labels for window in windows], "labels")),
            "weight": tf.constant(np.concatenate([window.weight for window in windows])),
            "state": {
                name: tf.constant(np.stack([window.state.arrays()[name] for window in windows]))
                for name in windows[0].state.arrays()
            },
        }

    def compute_loss(self, inputs: Any, training: bool = False) -> Any:
        """Return the mean loss of a batch, a scalar."""
        if self._data is None:
            raise RuntimeError("bind() the windows before training")
        self.step.assign_add(1)
        data, window, rows = self._data, inputs["window"], inputs["examples"]
        weight = tf.gather(data["weight"], rows)
        query = _trimmed({name: tf.gather(values, rows) for name, values in data["queries"].items()})
        state = {name: values[window] for name, values in data["state"].items()}
        candidates, labels = tf.gather(data["candidates"], rows), tf.gather(data["labels"], rows)
        logits, offset = self.network(query, candidates, tf.gather(data["scores"], rows), state, training=training)
        listwise = listwise_softmax(labels, logits, candidates)
        probability = probability_loss(labels, logits + offset[:, None], candidates)
        # The order is learnt from those who took something, the probability from all, each by whom it stands for:
        # under one mean the few silent customers, of high weight, would slow the order down.
        loss = _mean(listwise, tf.cast(tf.reduce_any(labels > 0, axis=1), tf.float32))
        loss += self.config.probability_weight * _mean(probability, weight)
        self.mean_loss.update_state(loss)
        return loss

    def score(self, query: Any, candidates: Any, scores: Any, state: Any) -> tuple[Any, Any]:
        """Score candidates without dropout; see `RankingNetwork.call`."""
        return self.network(query, candidates, scores, state, training=False)


def _trimmed(query: dict[str, Any]) -> dict[str, Any]:
    """Cut the lists behind the batch's longest: most of the widest customer's list is padding for the others."""
    trimmed = dict(query)
    for name in ("held", "recent"):
        places = tf.range(1, tf.shape(query[name])[1] + 1)
        length = tf.maximum(tf.reduce_max(tf.where(query[name] != NO_PRODUCT, places, 0)), 0)
        for lists in (name, f"{name}_age"):
            trimmed[lists] = query[lists][:, :length]
    return trimmed


def _mean(losses: Any, weight: Any) -> Any:
    """Return the weighted mean, 0 where no loss has a weight."""
    return tf.math.divide_no_nan(tf.reduce_sum(weight * losses), tf.reduce_sum(weight))


def _stack(parts: Sequence[Any], name: str) -> Any:
    """Concatenate on the first axis; lists of products and ages differ in length and are padded."""
    fill = NO_PRODUCT if name in ("held", "recent", "candidates") else 0
    if parts[0].ndim == 1:
        return np.concatenate(parts)
    width = max(part.shape[1] for part in parts)
    return np.concatenate([np.pad(part, ((0, 0), (0, width - part.shape[1])), constant_values=fill) for part in parts])

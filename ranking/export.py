"""The ranker as a SavedModel: a raw customer and candidates in, calibrated probabilities out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from nextbest.data.feature_names import NamedFeature, feature_width
from nextbest.data.snapshot import NO_PRODUCT
from nextbest.graph.catalogue import MASKED_SCORE, Encoders
from nextbest.graph.served_inputs import CANDIDATE_INPUTS
from nextbest.graph.signatures import examples_signature, graph_function, input_specs, require, signature
from nextbest.ranking.calibration import Calibration
from nextbest.ranking.examples import CatalogueStatistics
from nextbest.ranking.inference import ServedNetwork
from nextbest.ranking.model import RankingModel

__all__ = ["RankingServable", "save_ranking"]


class RankingServable(tf.Module):
    """What `tf.saved_model.load` gives back.

    The composite calls `score`, for explanations `features` and `score_features`, reads `product_ids`, and tracks
    `resources`, which those functions read. Signatures: `rank` (a raw customer, candidates and their similarities),
    `serving_default` (the same in tf.Examples, with the lists `candidates` and `similarity`) and `transform_features`
    (tf.Examples to encoded queries, see `graph.query`).
    """

    def __init__(
        self,
        model: RankingModel,
        encoders: Encoders,
        catalogue: CatalogueStatistics,
        calibration: Calibration,
        day: int,
    ) -> None:
        """Bind a ranker.

        Args:
            model: The trained ranker.
            encoders: Its encoders.
            catalogue: The catalogue as of the cutoff.
            calibration: From logits to probabilities.
            day: The cutoff, days since 1970-01-01.
        """
        super().__init__(name="ranking")
        self._encoder = encoders.query_encoder()
        self._calibration = calibration
        self.defaults = {"as_of_day": day}
        self._arrays = {
            name: tf.Variable(values, trainable=False, name=name) for name, values in catalogue.arrays().items()
        }
        network = model.network
        served = network.served(self._arrays)
        # Called through a closure, with its variables alone tracked: a SavedModel needs no Keras layer.
        self._network: Callable[[], ServedNetwork] = lambda: served
        self._named = network.named_features
        self.resources = [self._arrays, dict(served.products), network.variables]
        self.product_ids = tf.Variable(encoders.product_ids.tolist(), trainable=False, name="product_ids")
        candidates = tf.TensorSpec([None, None], tf.int32, name="candidates")
        similarity = tf.TensorSpec([None, None], tf.float32, name="similarity")
        self.encode = graph_function(self._encoder.__call__, input_signature=[self._encoder.request_spec()])
        scored = [encoders.encoded_spec(), candidates, similarity]
        self.score = graph_function(self._score, input_signature=scored)
        self.features = graph_function(self._features, input_signature=scored)
        vectors = tf.TensorSpec([None, feature_width(self.named_features())], tf.float32, name="features")
        self.score_features = graph_function(self._score_features, input_signature=[vectors])

    def signatures(self) -> dict[str, Any]:
        """Return the signatures by name."""
        specs = self.example_spec()
        rank = graph_function(self._rank, input_signature=[specs])
        return {
            "serving_default": examples_signature(rank, specs, self.defaults, ("candidates", "similarity")),
            "transform_features": examples_signature(self.encode, self._encoder.request_spec(), self.defaults),
            "rank": signature(rank, specs),
        }

    def example_spec(self) -> dict[str, tf.TensorSpec]:
        """Return the tensor specifications of what a tf.Example holds; what it lacks is missing or in `defaults`."""
        return self._encoder.request_spec() | input_specs(*CANDIDATE_INPUTS)

    def named_features(self) -> list[NamedFeature]:
        """Return what people call the places of `features`."""
        return [feature for part in self._named().values() for feature in part]

    def _score(
        self, encoded: Mapping[str, tf.Tensor], candidates: tf.Tensor, similarity: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Return the logits that order a customer's candidates, and the probabilities, [batch, num_candidates]."""
        parts = self._network().features(encoded, candidates, similarity, self._catalogue())
        logits = self._network().logits(parts)
        return logits, tf.sigmoid(self._calibrated(logits, self._network().customers_offset(parts)))

    def _features(self, encoded: Mapping[str, tf.Tensor], candidates: tf.Tensor, similarity: tf.Tensor) -> tf.Tensor:
        """Return what the probabilities are a function of, [batch, num_candidates, any]."""
        parts = self._network().features(encoded, candidates, similarity, self._catalogue())
        return tf.concat(list(parts.values()), axis=2)

    def _score_features(self, vectors: tf.Tensor) -> tf.Tensor:
        """Return the log-odds of the probabilities for `features`, [num] for [num, any]."""
        named = self._named()
        widths = [feature_width(part) for part in named.values()]
        parts = dict(zip(named, tf.split(vectors[:, None, :], widths, axis=2), strict=True))
        network = self._network()
        return self._calibrated(network.logits(parts), network.customers_offset(parts))[:, 0]

    def _catalogue(self) -> dict[str, tf.Tensor]:
        return {name: tf.convert_to_tensor(values) for name, values in self._arrays.items()}

    def _calibrated(self, logits: tf.Tensor, offset: tf.Tensor) -> tf.Tensor:
        """Return the log-odds of the probabilities, [batch, num_candidates]."""
        return self._calibration.slope * (logits + offset[:, None]) + self._calibration.intercept

    def _rank(self, request: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        widths = [tf.shape(request[name])[1] for name in ("candidates", "similarity")]

        def message() -> tf.Tensor:
            number, similarities = map(tf.strings.as_string, widths)
            return tf.strings.join([number, " candidates have ", similarities, " similarity values; give one to each"])

        with tf.control_dependencies([require(widths[0] == widths[1], message)]):
            candidates = self._encoder.positions.lookup(request["candidates"])
        # The network reads the customer's activity beside the first candidate, so that there must be one.
        nothing = [[0, 0], [0, tf.cast(widths[0] == 0, tf.int32)]]
        padded = tf.pad(candidates, nothing, constant_values=NO_PRODUCT), tf.pad(request["similarity"], nothing)
        encoded = self.encode({name: request[name] for name in self._encoder.request_spec()})
        scores = self.score(encoded, *padded)
        logits, probability = (tensor[:, : widths[0]] for tensor in scores)
        known = candidates != NO_PRODUCT
        return {"logit": tf.where(known, logits, MASKED_SCORE), "probability": tf.where(known, probability, 0.0)}


def save_ranking(servable: RankingServable, folder: Path) -> None:
    """Write the ranker as a SavedModel into `folder`."""
    tf.saved_model.save(servable, str(folder), signatures=servable.signatures())

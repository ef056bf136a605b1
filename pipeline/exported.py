"""Exported models as scorers, so that what is measured is what is served."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from nextbest.data.dataset import Array, EntityTable
from nextbest.data.query import raw_request
from nextbest.data.snapshot import Snapshot
from nextbest.data.tensorflow import tf
from nextbest.serving.recommender import Recommender

__all__ = ["ExportedRecommender", "ExportedRetrieval", "Requests"]


class Requests:
    """Raw requests of the customers of a snapshot, for an exported model.

    A column that the model reads and the tables lack is left out of them: to the model it is missing.
    """

    def __init__(self, recommender: Recommender, snapshot: Snapshot, product_ids: Array) -> None:
        self._columns = [name for name in recommender.customer_columns if name in snapshot.customers]
        self._snapshot, self._product_ids = snapshot, product_ids

    def __call__(self, customers: Array) -> dict[str, Array]:
        """Return the requests of customers by their positions, [n, ...]."""
        return raw_request(self._snapshot, self._product_ids, self._columns, customers)


class ExportedRetrieval:
    """The retrieval stage's SavedModel as a scorer."""

    def __init__(self, folder: Path, requests: Requests) -> None:
        self._model = tf.saved_model.load(str(folder))
        (self._inputs,), _ = self._model.encode.concrete_functions[0].structured_input_signature
        self._requests = requests

    def score(self, customers: Array) -> Array:
        """Return the cosine of every product, float32, [n, num_products]."""
        request = self._requests(customers)
        request = {name: tf.constant(request[name], spec.dtype) for name, spec in self._inputs.items()}
        return np.asarray(self._model.similarities(self._model.embed(self._model.encode(request))))


class ExportedRecommender:
    """The composite as a scorer: a product's place in the list is its score.

    The composite may be another run's: a product that it names and the tables lack is passed over.
    """

    def __init__(self, recommender: Recommender, requests: Requests, products: EntityTable, k: int) -> None:
        """Ask a recommender.

        Args:
            recommender: The recommender.
            requests: Its requests.
            products: The products whose positions are meant.
            k: How many products each customer's list has at most.
        """
        self._recommender, self._requests, self._products, self._k = recommender, requests, products, k

    def ranked(self, customers: Array) -> tuple[Array, Array]:
        """Return the listed products' positions, NO_PRODUCT for padding, and probabilities, [n, k] each."""
        found = self._recommender.recommend(self._requests(customers), self._k)
        return self._products.positions(found.product_id), found.probability

    def score(self, customers: Array) -> Array:
        """Return minus the rank, -inf for what is not in the list, float32, [n, num_products]."""
        positions, _ = self.ranked(customers)
        scores = np.full((len(customers), len(self._products) + 1), -np.inf, np.float32)  # the last takes NO_PRODUCT
        ranks = -np.arange(positions.shape[1], dtype=np.float32)
        np.put_along_axis(scores, positions, np.broadcast_to(ranks, positions.shape), axis=1)
        return scores[:, :-1]

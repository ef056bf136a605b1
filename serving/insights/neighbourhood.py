"""What is near a customer: the products on a map of the embeddings, and what the most similar customers hold.

The embeddings lie on the unit sphere, where the squared distance of two is 2 - 2 * cosine, so that the principal
components (PCA) of the products' embeddings keep as much of their cosine distances as two straight axes can. The map is
made once per version and does not depend on who is looked at: the same product stands at the same place for all
customers. t-SNE and UMAP have no place for a new customer and move with their seed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from threading import Lock
from typing import Any

import numpy as np
import scipy.sparse as sp

from nextbest.data.dataset import Array
from nextbest.serving.config import NeighbourhoodConfig
from nextbest.serving.recommender import Recommender, product_categories, product_names
from nextbest.serving.requests import take

__all__ = ["HeldNearby", "Neighbourhood", "Surroundings"]

_AXES = 2


@dataclass(frozen=True)
class HeldNearby:
    """A product that the nearest customers hold and this one does not."""

    product_id: str
    name: str
    category: str
    """'' for unknown."""
    share: float
    """Share of the nearest customers who hold it, from 0 to 1."""
    lift: float
    """That share over the share of all customers."""


@dataclass(frozen=True)
class Surroundings:
    """What is near a customer. The arrays have a row for each product on the map, by id."""

    product_ids: Array
    """Object str, [n]."""
    names: Array
    """Object str, [n]."""
    categories: Array
    """'' for unknown, object str, [n]."""
    xy: Array
    """Places on the map, float32, [n, 2]."""
    similarity: Array
    """Cosine with the customer in all dimensions, float32, [n]."""
    top: Array
    """Place among the top products, from 1; 0 for the others, int32, [n]."""
    customer_xy: tuple[float, float]
    """The customer's place."""
    variance_shown: float
    """Share of the products' variance that the two axes show, from 0 to 1."""
    agreement: float
    """How well the distances from the customer on the map order the products as the similarity does: Spearman's rank
    correlation, 1 for the same order and 0 for none."""
    neighbours: int
    """How many of the nearest customers `held` tells of; 0 where there are too few, or no snapshot."""
    held: tuple[HeldNearby, ...]
    """What they hold most, by share."""


class _Map:
    """The principal components of the products' embeddings."""

    def __init__(self, embeddings: Array) -> None:
        self._mean = embeddings.mean(axis=0)
        centred = embeddings - self._mean
        variances, components = np.linalg.eigh(centred.T @ centred)  # ascending; as small as an embedding is wide
        axes = components[:, ::-1][:, :_AXES]
        # An axis' sign is free: its largest weight is positive, so that the same weights give the same map.
        axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
        self._axes = np.pad(axes, ((0, 0), (0, _AXES - axes.shape[1])))
        total = float(variances.sum())
        self.variance_shown = float(variances[::-1][:_AXES].sum()) / total if total > 0 else 1.0

    def places(self, embeddings: Array) -> Array:
        """Return places on the map, float32, [n, 2]."""
        return ((embeddings - self._mean) @ self._axes).astype(np.float32)


@dataclass(frozen=True)
class _Peers:
    """A sample of the snapshot's customers."""

    ids: Array
    """Ascending, object str, [num_peers]."""
    embeddings: Array
    """float32, [num_peers, dim]."""
    holdings: sp.csr_matrix
    """1 where held, float32, [num_peers, num_products]."""

    @cached_property
    def share(self) -> Array:
        """Share of them who hold each product, float64, [num_products]."""
        return _shares(self.holdings)


def _shares(holdings: sp.csr_matrix) -> Array:
    """Return the share of rows in which each column is 1, float64, [num_columns]."""
    return np.asarray(holdings.sum(axis=0, dtype=np.float64)).ravel() / max(holdings.shape[0], 1)


def _rank_correlation(first: Array, second: Array) -> float:
    """Return Spearman's rank correlation of two rows, ties broken by place; 0 where there is nothing to order."""
    if len(first) < 2:
        return 0.0
    one, other = (np.argsort(np.argsort(values, kind="stable"), kind="stable") for values in (first, second))
    return float(np.asarray(np.corrcoef(one, other))[0, 1])


class Neighbourhood:
    """Finds what is near a customer. The embeddings are asked for at the first question, once."""

    def __init__(self, recommender: Recommender, config: NeighbourhoodConfig | None = None) -> None:
        """Name what is asked; nothing is computed yet.

        Args:
            recommender: One version.
            config: Sizes of the samples.
        """
        self._recommender = recommender
        self._config = config or NeighbourhoodConfig()
        self._ids = recommender.products.ids
        self._names, self._categories = product_names(recommender), product_categories(recommender)
        self._made = Lock()

    def around(
        self, request: Mapping[str, Array], products: Sequence[str], customer_id: str | None = None
    ) -> Surroundings:
        """Look around a customer.

        Args:
            request: A raw request of one customer; what it lacks is missing.
            products: The ids of the top products, the best first.
            customer_id: Who it is, if the snapshot may know it: no one is a neighbour of themselves.

        Raises:
            ValueError: The request is of more than one customer, or a top product is unknown.
            BackendError: The embeddings cannot be asked for.
        """
        top = self._recommender.products.positions(np.array(products, object))
        if (top < 0).any():
            raise ValueError(f"the export does not know all of the products {list(products)}")
        embeddings = self._recommender.predict("embed_customer", request)["embedding"]
        if len(embeddings) != 1:
            raise ValueError(f"one customer is looked at, and the request is of {len(embeddings)}")
        (customer,) = embeddings
        with self._made:
            product_embeddings, plane, peers = self._products, self._map, self._peers
        rows = np.union1d(self._drawn, top)
        places = np.zeros(len(self._ids), np.int32)
        places[top] = np.arange(1, len(top) + 1)
        neighbours, held = self._held_nearby(peers, customer, request, customer_id)
        (here,) = plane.places(embeddings)
        xy, similarity = plane.places(product_embeddings[rows]), product_embeddings[rows] @ customer
        return Surroundings(
            product_ids=self._ids[rows],
            names=self._names[rows],
            categories=self._categories[rows],
            xy=xy,
            similarity=similarity,
            top=places[rows],
            customer_xy=(float(here[0]), float(here[1])),
            variance_shown=plane.variance_shown,
            agreement=_rank_correlation(-np.linalg.norm(xy - here, axis=1), similarity),
            neighbours=neighbours,
            held=held,
        )

    @cached_property
    def _products(self) -> Array:
        """All products' embeddings, float32, [num_products, dim]."""
        return self._embedded("embed_product", {"product_id": self._ids})

    @cached_property
    def _map(self) -> _Map:
        return _Map(self._products)

    @cached_property
    def _drawn(self) -> Array:
        """Rows of the products that are on everybody's map."""
        return self._sample(len(self._ids), self._config.max_products)

    @cached_property
    def _peers(self) -> _Peers:
        customers = self._recommender.customers()
        rows = self._sample(len(customers.ids), self._config.sample)
        requests = take(customers.columns, rows)
        if not len(rows):
            embeddings = np.zeros((0, self._products.shape[1]), np.float32)
        else:
            embeddings = self._embedded("embed_customer", requests)
        return _Peers(customers.ids[rows], embeddings, self._holdings(requests["held_products"]))

    def _sample(self, population: int, most: int) -> Array:
        """Return all rows, or as many as may be of them, drawn without replacement; ascending."""
        if population <= most:
            return np.arange(population)
        return np.sort(np.random.default_rng(self._config.seed).choice(population, most, replace=False))

    def _embedded(self, signature: str, requests: Mapping[str, Array]) -> Array:
        length, batch = len(next(iter(requests.values()))), self._config.batch
        return np.concatenate(
            [
                self._recommender.predict(signature, take(dict(requests), slice(first, first + batch)))["embedding"]
                for first in range(0, length, batch)
            ]
        )

    def _holdings(self, held: Array) -> sp.csr_matrix:
        """Return who holds what, from ids with '' as padding, [num_customers, any]."""
        positions = self._recommender.products.positions(held)
        customer, place = np.nonzero(positions >= 0)
        pairs = (np.ones(len(customer), np.float32), (customer, positions[customer, place]))
        holdings = sp.csr_matrix(pairs, shape=(len(held), len(self._ids)))
        holdings.data[:] = 1  # a product that is listed twice is held once
        return holdings

    def _held_nearby(
        self, peers: _Peers, customer: Array, request: Mapping[str, Array], customer_id: str | None
    ) -> tuple[int, tuple[HeldNearby, ...]]:
        """Return how many neighbours were asked, and what they hold most that the customer does not."""
        similarity = peers.embeddings @ customer
        others = np.flatnonzero(peers.ids != customer_id) if customer_id is not None else np.arange(len(peers.ids))
        if len(others) < self._config.min_neighbours:
            return 0, ()
        order = np.argsort(-similarity[others], kind="stable")
        nearest = others[order[: self._config.neighbours]]
        share = _shares(peers.holdings[nearest])
        told = share.copy()
        if "held_products" in request:
            own = self._recommender.products.positions(request["held_products"][0])
            told[own[own >= 0]] = 0
        best = [row for row in np.argsort(-told, kind="stable")[: self._config.told] if told[row] > 0]
        return len(nearest), tuple(self._told(row, share[row], peers.share[row]) for row in best)

    def _told(self, row: Any, share: float, overall: float) -> HeldNearby:
        name, category = str(self._names[row]), str(self._categories[row])
        return HeldNearby(str(self._ids[row]), name, category, float(share), float(share / overall))

"""What is near a customer: the products on a map of the embeddings, and what the most similar customers hold.

`Neighbourhood` is made once per version, and its `view` looks at one customer. The embeddings lie on the unit sphere,
where the squared distance of two is 2 - 2 * cosine, so that the principal components (PCA) of the products' embeddings
keep as much of their cosine distances as two straight axes can. The map does not depend on the customer: the same
product is at the same place for all of them. t-SNE and UMAP have no place for a new customer and move with their seed.
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

__all__ = ["Neighbourhood", "NeighbourhoodView", "ProductHeldByNeighbours"]

_NUM_AXES = 2


@dataclass(frozen=True)
class ProductHeldByNeighbours:
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
class NeighbourhoodView:
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
    rank: Array
    """Place among the top products, from 1; 0 for the others, int32, [n]."""
    customer_xy: tuple[float, float]
    """The customer's place."""
    variance_shown: float
    """Share of the products' variance that the two axes show, from 0 to 1."""
    agreement: float
    """How well the distances from the customer on the map order the products as the similarity does: Spearman's rank
    correlation, 1 for the same order and 0 for none."""
    num_neighbours: int
    """How many of the nearest customers `held_by_neighbours` is about; 0 where there are too few, or no snapshot."""
    held_by_neighbours: tuple[ProductHeldByNeighbours, ...]
    """What they hold most, the largest share first."""


class Neighbourhood:
    """Finds what is near a customer. The embeddings are computed at the first look, once."""

    def __init__(self, recommender: Recommender, config: NeighbourhoodConfig | None = None) -> None:
        """Keep what is needed; nothing is computed yet.

        Args:
            recommender: One version.
            config: Sizes of the samples.
        """
        self._recommender = recommender
        self._config = config or NeighbourhoodConfig()
        self._ids = recommender.products.ids
        self._names, self._categories = product_names(recommender), product_categories(recommender)
        self._lock = Lock()
        """Held while the cached properties below are computed."""

    def view(
        self, request: Mapping[str, Array], products: Sequence[str], customer_id: str | None = None
    ) -> NeighbourhoodView:
        """Look at what is near a customer.

        Args:
            request: A raw request of one customer; what it lacks is missing.
            products: The ids of the top products, the best first.
            customer_id: Who it is, if the snapshot may know it: no customer is their own neighbour.

        Raises:
            ValueError: The request is of more than one customer, or a top product is unknown.
            BackendError: The backend does not answer with embeddings.
        """
        top = self._recommender.products.positions(np.array(products, object))
        if (top < 0).any():
            raise ValueError(f"the export does not know all of the products {list(products)}")
        embeddings = self._recommender.predict("embed_customer", request)["embedding"]
        if len(embeddings) != 1:
            raise ValueError(f"a view is of one customer, and the request is of {len(embeddings)}")
        (customer,) = embeddings
        with self._lock:
            product_embeddings, product_map, sampled = self._product_embeddings, self._map, self._sampled_customers
        rows = np.union1d(self._map_rows, top)
        ranks = np.zeros(len(self._ids), np.int32)
        ranks[top] = np.arange(1, len(top) + 1)
        num_neighbours, held = self._held_by_neighbours(sampled, customer, request, customer_id)
        (customer_xy,) = product_map.places(embeddings)
        xy, similarity = product_map.places(product_embeddings[rows]), product_embeddings[rows] @ customer
        return NeighbourhoodView(
            product_ids=self._ids[rows],
            names=self._names[rows],
            categories=self._categories[rows],
            xy=xy,
            similarity=similarity,
            rank=ranks[rows],
            customer_xy=(float(customer_xy[0]), float(customer_xy[1])),
            variance_shown=product_map.variance_shown,
            agreement=_rank_correlation(-np.linalg.norm(xy - customer_xy, axis=1), similarity),
            num_neighbours=num_neighbours,
            held_by_neighbours=held,
        )

    def _held_by_neighbours(
        self, sampled: _SampledCustomers, customer: Array, request: Mapping[str, Array], customer_id: str | None
    ) -> tuple[int, tuple[ProductHeldByNeighbours, ...]]:
        """Return the number of neighbours, and what they hold most that the customer does not."""
        similarity = sampled.embeddings @ customer
        is_other = sampled.ids != customer_id if customer_id is not None else np.ones(len(sampled.ids), bool)
        others = np.flatnonzero(is_other)
        if len(others) < self._config.min_neighbours:
            return 0, ()
        order = np.argsort(-similarity[others], kind="stable")
        nearest = others[order[: self._config.neighbours]]
        shares = _shares_of_holders(sampled.holdings[nearest])
        not_held = shares.copy()
        if "held_products" in request:
            held = self._recommender.products.positions(request["held_products"][0])
            not_held[held[held >= 0]] = 0
        best = np.argsort(-not_held, kind="stable")[: self._config.num_products_shown]
        products = (self._held_product(row, shares[row], sampled.shares[row]) for row in best if not_held[row] > 0)
        return len(nearest), tuple(products)

    def _held_product(self, row: Any, share: float, overall: float) -> ProductHeldByNeighbours:
        product_id, name, category = (str(texts[row]) for texts in (self._ids, self._names, self._categories))
        return ProductHeldByNeighbours(product_id, name, category, float(share), float(share / overall))

    @cached_property
    def _product_embeddings(self) -> Array:
        """All products' embeddings, float32, [num_products, dim]."""
        return self._embed("embed_product", {"product_id": self._ids})

    @cached_property
    def _map(self) -> _Map:
        return _Map(self._product_embeddings)

    @cached_property
    def _map_rows(self) -> Array:
        """Rows of the products that are on every customer's map."""
        return self._draw(len(self._ids), self._config.max_products)

    @cached_property
    def _sampled_customers(self) -> _SampledCustomers:
        customers = self._recommender.customers()
        rows = self._draw(len(customers.ids), self._config.sample)
        requests = take(customers.columns, rows)
        if not len(rows):
            embeddings = np.zeros((0, self._product_embeddings.shape[1]), np.float32)
        else:
            embeddings = self._embed("embed_customer", requests)
        holdings = self._holdings(requests["held_products"])
        return _SampledCustomers(customers.ids[rows], embeddings, holdings, _shares_of_holders(holdings))

    def _draw(self, population: int, most: int) -> Array:
        """Return all rows, or `most` of them drawn without replacement; ascending."""
        if population <= most:
            return np.arange(population)
        return np.sort(np.random.default_rng(self._config.seed).choice(population, most, replace=False))

    def _embed(self, signature: str, requests: Mapping[str, Array]) -> Array:
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


class _Map:
    """The principal components of the products' embeddings."""

    def __init__(self, embeddings: Array) -> None:
        self._mean = embeddings.mean(axis=0)
        centred = embeddings - self._mean
        variances, components = np.linalg.eigh(centred.T @ centred)  # ascending; as small as an embedding is wide
        axes = components[:, ::-1][:, :_NUM_AXES]
        # An axis' sign is free: its largest weight is positive, so that the same weights give the same map.
        axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
        self._axes = np.pad(axes, ((0, 0), (0, _NUM_AXES - axes.shape[1])))
        total = float(variances.sum())
        self.variance_shown = float(variances[::-1][:_NUM_AXES].sum()) / total if total > 0 else 1.0

    def places(self, embeddings: Array) -> Array:
        """Return places on the map, float32, [n, 2]."""
        return ((embeddings - self._mean) @ self._axes).astype(np.float32)


@dataclass(frozen=True)
class _SampledCustomers:
    """A sample of the snapshot's customers."""

    ids: Array
    """Ascending, object str, [num_sampled]."""
    embeddings: Array
    """float32, [num_sampled, dim]."""
    holdings: sp.csr_matrix
    """1 where held, float32, [num_sampled, num_products]."""
    shares: Array
    """Share of them who hold each product, float64, [num_products]."""


def _shares_of_holders(holdings: sp.csr_matrix) -> Array:
    """Return the share of rows in which each column is 1, float64, [num_columns]."""
    return np.asarray(holdings.sum(axis=0, dtype=np.float64)).ravel() / max(holdings.shape[0], 1)


def _rank_correlation(first: Array, second: Array) -> float:
    """Return Spearman's rank correlation of two arrays, ties broken by place; 0 where there is nothing to order."""
    if len(first) < 2:
        return 0.0
    left, right = (np.argsort(np.argsort(values, kind="stable"), kind="stable") for values in (first, second))
    return float(np.asarray(np.corrcoef(left, right))[0, 1])

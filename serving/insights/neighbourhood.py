"""What is near a customer: the products on a map of the embeddings; what the most similar customers hold and opened.

`Neighbourhood` is made once per version, and its `view` looks at one customer. The embeddings lie on the unit sphere,
where the squared distance of two is 2 - 2 * cosine, so that the principal components (PCA) of the products' embeddings
keep as much of their cosine distances as two straight axes can. The map does not depend on the customer: the same
product is at the same place for all of them. t-SNE and UMAP have no place for a new customer and move with their seed.

What one customer holds is a secret. What is told of the nearest ones is a share of at least `min_neighbours` of them,
rounded to `min_holders`; their places on the map are rounded, and in no order of who they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from threading import Lock

import numpy as np
import scipy.sparse as sp

from nextbest.data.dataset import ACQUIRE, Array
from nextbest.serving.artifacts.assets import EVENTS, CustomerEvents
from nextbest.serving.config import NeighbourhoodConfig
from nextbest.serving.recommender import Recommender, product_categories, product_names
from nextbest.serving.requests import draw_rows, take

__all__ = ["OPENED_DAYS", "Neighbourhood", "NeighbourhoodView", "ProductOfNeighbours"]

_NUM_AXES = 2
OPENED_DAYS = 365
"""What was opened in so many days before the cutoff was opened lately."""
_DIGITS = 2
"""Of the nearest customers' places on the map, which is about 2 wide."""


@dataclass(frozen=True)
class ProductOfNeighbours:
    """A product that the nearest customers hold, or opened lately, and this one does not hold."""

    product_id: str
    name: str
    category: str
    """'' for unknown."""
    share: float
    """Share of the nearest customers, from 0 to 1, rounded; see `NeighbourhoodConfig.min_holders`."""
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
    neighbours_xy: Array
    """Their places, rounded, in the order of the places, float32, [num_neighbours, 2]."""
    held_by_neighbours: tuple[ProductOfNeighbours, ...]
    """What they hold most, the largest share first."""
    opened_by_neighbours: tuple[ProductOfNeighbours, ...]
    """What they opened most in the last `OPENED_DAYS`, the largest share first."""


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
        nearest = self._nearest(sampled, customer, customer_id)
        held = self._recommender.products.positions(request.get("held_products", np.zeros((1, 0), object))[0])
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
            num_neighbours=len(nearest),
            neighbours_xy=_anonymous(product_map.places(sampled.embeddings[nearest])),
            held_by_neighbours=tuple(self._commonest(sampled.holdings, nearest, held)),
            opened_by_neighbours=tuple(self._commonest(sampled.opened, nearest, held)),
        )

    def _nearest(self, sampled: _SampledCustomers, customer: Array, customer_id: str | None) -> Array:
        """Return the rows of the nearest customers, the nearest first; none where there are too few."""
        similarity = sampled.embeddings @ customer
        is_other = sampled.ids != customer_id if customer_id is not None else np.ones(len(sampled.ids), bool)
        others = np.flatnonzero(is_other)
        if len(others) < self._config.min_neighbours:
            return others[:0]
        order = np.argsort(-similarity[others], kind="stable")
        return others[order[: self._config.neighbours]]

    def _commonest(self, has: sp.csr_matrix, nearest: Array, held: Array) -> Iterator[ProductOfNeighbours]:
        """Yield what most of the nearest customers have, the largest share first, without what is held."""
        least, num = self._config.min_holders, len(nearest)
        counts = _holders(has[nearest])
        counts[held[held >= 0]] = 0
        told = np.where(counts < least, 0, least * np.rint(counts / least))
        shares = np.minimum(told, max(num - least, 0)) / max(num, 1)
        overall = _holders(has) / max(has.shape[0], 1)
        for row in np.argsort(-shares, kind="stable")[: self._config.num_products_shown]:
            if shares[row] > 0:
                product_id, name, category = (str(texts[row]) for texts in (self._ids, self._names, self._categories))
                share = float(shares[row])
                yield ProductOfNeighbours(product_id, name, category, share, share / float(overall[row]))

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
        return draw_rows(len(self._ids), self._config.max_products, self._config.seed)

    @cached_property
    def _sampled_customers(self) -> _SampledCustomers:
        customers = self._recommender.customers()
        rows = draw_rows(len(customers.ids), self._config.sample, self._config.seed)
        requests = take(customers.columns, rows)
        if not len(rows):
            embeddings = np.zeros((0, self._product_embeddings.shape[1]), np.float32)
        else:
            embeddings = self._embed("embed_customer", requests)
        held = self._recommender.products.positions(requests["held_products"])
        customer, place = np.nonzero(held >= 0)
        holdings = self._pairs(customer, held[customer, place], len(rows))
        return _SampledCustomers(customers.ids[rows], embeddings, holdings, self._opened(rows))

    def _embed(self, signature: str, requests: Mapping[str, Array]) -> Array:
        length, batch = len(next(iter(requests.values()))), self._config.batch
        return np.concatenate(
            [
                self._recommender.predict(signature, take(dict(requests), slice(first, first + batch)))["embedding"]
                for first in range(0, length, batch)
            ]
        )

    def _opened(self, rows: Array) -> sp.csr_matrix:
        """Return who of some customers opened what lately; of an export that does not know, nobody anything."""
        file = self._recommender.asset(EVENTS)
        if file is None or not len(rows):
            return self._pairs(rows[:0], rows[:0], len(rows))
        events = CustomerEvents.load(file)
        begins = int(self._recommender.manifest["as_of_day"]) - OPENED_DAYS
        whose = np.repeat(np.arange(len(events.first) - 1), np.diff(events.first))
        customer = np.searchsorted(rows, whose)
        drawn = rows[np.minimum(customer, len(rows) - 1)] == whose
        kept = drawn & (events.kind == ACQUIRE) & (events.day > begins)
        return self._pairs(customer[kept], events.product[kept], len(rows))

    def _pairs(self, customers: Array, products: Array, num: int) -> sp.csr_matrix:
        """Return pairs as a matrix, [num, num_products]; a pair that is listed twice counts once."""
        matrix = sp.csr_matrix((np.ones(len(customers), np.float32), (customers, products)), (num, len(self._ids)))
        matrix.data[:] = 1
        return matrix


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
    opened: sp.csr_matrix
    """1 where opened lately, float32, [num_sampled, num_products]."""


def _holders(pairs: sp.csr_matrix) -> Array:
    """Return in how many rows each column is 1, float64, [num_columns]."""
    return np.asarray(pairs.sum(axis=0, dtype=np.float64)).ravel()


def _anonymous(places: Array) -> Array:
    """Return places rounded, and in an order that says nothing of how near they are."""
    rounded = np.round(places, _DIGITS)
    return rounded[np.lexsort(rounded.T)]


def _rank_correlation(first: Array, second: Array) -> float:
    """Return Spearman's rank correlation of two arrays, ties broken by place; 0 where there is nothing to order."""
    if len(first) < 2:
        return 0.0
    left, right = (np.argsort(np.argsort(values, kind="stable"), kind="stable") for values in (first, second))
    return float(np.asarray(np.corrcoef(left, right))[0, 1])

"""Why a product is recommended, by what a person knows of the customer, in percentage points and in sentences.

`ReasonExplainer` gives the reasons of some products for one customer. The groups of `reason_groups` are the players;
their values come from `shap.ExactExplainer` on `coalitions.CoalitionModel`, and with the base, the average customer's
probability of the product, they add up to this customer's.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import numpy as np

from nextbest.data.dataset import Array, Features
from nextbest.data.errors import FailedError
from nextbest.serving.insights.profiles import Profiles
from nextbest.serving.insights.reason_groups import ReasonGroup, reason_groups
from nextbest.serving.insights.reason_sentences import ReasonWriter
from nextbest.serving.insights.shapley import SIGNATURE, CoalitionModel, exact_shap_values, holds, import_shap
from nextbest.serving.language import current_language
from nextbest.serving.recommender import Recommender, product_names
from nextbest.serving.requests import check_products, draw_rows, take

__all__ = [
    "SIGNATURE",
    "CustomerReasons",
    "GroupEffect",
    "ProductReasons",
    "ReasonExplainer",
    "reasons_for",
    "stack_explanations",
    "why_sentences",
]

_BACKGROUND = 30
"""How many customers an explained one is compared with; `benchmarks.explanations` measures what more would change."""
_POOL, _POOL_PRODUCTS, _SEED = 400, 40, 0
"""Among how many customers these are chosen, by their probabilities of how many products."""
_NUM_KEPT = 64
"""How many answers are kept: a page asks again for the customer who is looked at."""
_POPULAR = 0.75
"""The share of products that are added less often than a popular one."""


@dataclass(frozen=True)
class GroupEffect:
    """What one group adds to a probability."""

    kind: str
    """See `reason_groups.GroupKind`."""
    name: str
    """As people read it."""
    value: str
    """What is known of the customer, as people read it."""
    amount: float
    """For pictures: how much there is of it where one number says so, else NaN."""
    points: float
    """Percentage points."""


@dataclass(frozen=True)
class ProductReasons:
    """Why a customer's probability of a product is what it is."""

    product_id: str
    probability: float
    """From 0 to 1."""
    base: float
    """The average customer's probability of the product: the mean over the background's customers without it."""
    groups: tuple[GroupEffect, ...]
    """In the order of `reason_groups.GROUP_KINDS`; with 100 times the base they add up to 100 times the probability."""
    sentences: tuple[str, ...]
    """At most three reasons that may be read aloud, the strongest first; if there is none, what can be said instead."""
    sentence: str
    """All of it in one sentence."""

    @property
    def largest_first(self) -> tuple[GroupEffect, ...]:
        """The groups by the size of their effects."""
        return tuple(sorted(self.groups, key=lambda group: -abs(group.points)))

    @property
    def explanation(self) -> Any:
        """The effects as a `shap.Explanation` in percentage points, for `shap.plots.waterfall` and `shap.plots.bar`.

        Raises:
            MissingPackageError: shap is not installed.
        """
        return import_shap().Explanation(
            np.array([group.points for group in self.groups]),
            base_values=100 * self.base,
            data=np.array([group.amount for group in self.groups]),
            display_data=np.array([group.value for group in self.groups], object),
            feature_names=[group.name for group in self.groups],
        )


@dataclass(frozen=True)
class CustomerReasons:
    """The reasons of some products for one customer."""

    products: tuple[ProductReasons, ...]
    """As they were asked for."""
    _compare: Callable[[int, int], str] = field(repr=False)
    """Compares two of them by their places."""

    def compare(self, product_id: str, other: str) -> str:
        """Say why one product comes before another; the likelier one is named first.

        Raises:
            ValueError: The products are not among those that were asked for.
        """
        ids = [one.product_id for one in self.products]
        return self._compare(ids.index(product_id), ids.index(other))


def stack_explanations(reasons: Sequence[ProductReasons]) -> Any:
    """Return the effects of several customers or products as one `shap.Explanation`, for `shap.plots.beeswarm`.

    Raises:
        MissingPackageError: shap is not installed.
    """
    amounts = np.array([[group.amount for group in one.groups] for one in reasons])
    amounts[:, np.isnan(amounts).all(axis=0)] = 0  # shap warns of a column without any number
    return import_shap().Explanation(
        np.array([[group.points for group in one.groups] for one in reasons]),
        base_values=np.array([100 * one.base for one in reasons]),
        data=amounts,
        display_data=np.array([[group.value for group in one.groups] for one in reasons], object),
        feature_names=[group.name for group in reasons[0].groups],
    )


class ReasonExplainer:
    """Gives the reasons of one version's probabilities, with any backend."""

    def __init__(
        self, recommender: Recommender, profiles: Profiles | None = None, background: int = _BACKGROUND
    ) -> None:
        """Choose the background.

        Args:
            recommender: The version that is explained.
            profiles: Describes its customers; made where it is not there yet.
            background: How many customers an explained one is compared with.

        Raises:
            FailedError: The export is of a version without reasons.
        """
        if not recommender.has_signature(SIGNATURE):
            raise FailedError(f"{recommender.folder} was exported without what reasons need; export it again")
        self._recommender = recommender
        self.groups: tuple[ReasonGroup, ...] = reason_groups(recommender)
        self._writer = ReasonWriter(recommender, profiles or Profiles(recommender))
        self._names = product_names(recommender)
        self._background, self._popular_from = _choose_background(recommender, background)
        self._kept: dict[bytes, CustomerReasons] = {}
        self._lock = threading.Lock()

    def reasons(self, request: Mapping[str, Array], product_ids: Array) -> tuple[ProductReasons, ...]:
        """Give the reasons of some products' probabilities for one customer.

        Args:
            request: A raw request of one customer (see `graph.query`); what it lacks is missing.
            product_ids: The products, recommended or not, object str, [num_products].

        Raises:
            InputError: There is no such product.
            ValueError: The request has another number of rows.
            BackendError: The recommender does not answer.
            MissingPackageError: shap is not installed.
        """
        return self.of_customer(request, product_ids).products

    def compare(self, request: Mapping[str, Array], product_id: str, other: str) -> str:
        """Say why one product comes before another for a customer; the likelier one is named first.

        Arguments and errors as for `reasons`.
        """
        return self.of_customer(request, np.array([product_id, other], object)).compare(product_id, other)

    def of_customer(self, request: Mapping[str, Array], product_ids: Array) -> CustomerReasons:
        """Give the reasons as `reasons`, in a form that also compares the products; the last few answers are kept."""
        if not len(product_ids):
            return CustomerReasons((), lambda first, second: "")
        key = _key(request, product_ids)
        with self._lock:
            if (kept := self._kept.get(key)) is not None:
                return kept
        found = self._explain(self.coalition_model(request, product_ids), product_ids)
        with self._lock:
            while len(self._kept) >= _NUM_KEPT:
                del self._kept[next(iter(self._kept))]
            self._kept[key] = found
        return found

    def coalition_model(self, request: Mapping[str, Array], product_ids: Array) -> CoalitionModel:
        """Return the products' probabilities for a customer as a function of the groups that are known.

        Arguments and errors as for `reasons`.
        """
        lengths = {name: len(values) for name, values in request.items()}
        if set(lengths.values()) != {1}:
            raise ValueError(f"reasons are of one customer, and the request has rows {lengths}")
        check_products(self._recommender, product_ids)
        customer = self._recommender.complete(request, 1)
        read = {name: customer[name] for name in self._background}
        inputs = [group.inputs for group in self.groups]
        return CoalitionModel(self._recommender, read, self._background, inputs, product_ids)

    def _explain(self, model: CoalitionModel, product_ids: Array) -> CustomerReasons:
        base, values = exact_shap_values(model.values, model.varying)
        probabilities = base + values.sum(axis=0)
        parts = self._writer.parts(model.customer, self.groups)
        effects = parts.effects(model)
        described = [self._writer.describe(group, parts) for group in self.groups]
        names = self._names[self._recommender.products.positions(product_ids)].tolist()

        def product(place: int) -> ProductReasons:
            groups = tuple(
                GroupEffect(group.kind, group.name, text, amount, 100 * float(value))
                for group, (text, amount), value in zip(self.groups, described, values[:, place], strict=True)
            )
            product_id, figures = str(product_ids[place]), (float(probabilities[place]), float(base[place]))
            chosen = self._writer.choose(parts, values[:, place], effects[:, place], product_id)
            words = self._writer.write(chosen, *figures, is_popular=figures[1] >= self._popular_from)
            return ProductReasons(product_id, *figures, groups, *words)

        def compare(first: int, second: int) -> str:
            if probabilities[first] < probabilities[second]:
                first, second = second, first
            differences = values[:, first] - values[:, second], effects[:, first] - effects[:, second]
            chosen = self._writer.choose(parts, *differences, str(product_ids[first]), names[first])
            pair = [first, second]
            return self._writer.write_comparison(
                chosen, [names[place] for place in pair], probabilities[pair], base[pair]
            )

        return CustomerReasons(tuple(map(product, range(len(product_ids)))), compare)


def _key(request: Mapping[str, Array], product_ids: Array) -> bytes:
    """Return what tells requests apart, in one language."""
    parts = [(name, values.shape, values.tolist()) for name, values in sorted(request.items())]
    return sha256(repr((parts, product_ids.tolist(), current_language())).encode()).digest()


def reasons_for(
    explainer: ReasonExplainer, requests: Mapping[str, Array], product_ids: Array
) -> list[tuple[ProductReasons, ...]]:
    """Give the reasons of recommended products.

    Args:
        explainer: The version's explainer.
        requests: Raw requests, [batch, ...].
        product_ids: Products of each customer, '' is padding, object str, [batch, k].

    Returns:
        The reasons of each customer's products, without the padding.

    Raises:
        InputError: There is no such product.
        BackendError: The recommender does not answer.
        MissingPackageError: shap is not installed.
    """
    return [
        explainer.reasons(take(dict(requests), slice(row, row + 1)), products[products != ""])
        for row, products in enumerate(product_ids)
    ]


def why_sentences(explainer: ReasonExplainer, requests: Mapping[str, Array], product_ids: Array) -> Array:
    """Return the one sentence of each of `reasons_for`, object str, [batch, k]; '' for padding."""
    sentences = np.full(product_ids.shape, "", object)
    for row, found in enumerate(reasons_for(explainer, requests, product_ids)):
        sentences[row, product_ids[row] != ""] = [one.sentence for one in found]
    return sentences


def _choose_background(recommender: Recommender, size: int) -> tuple[Features, float]:
    """Return the background's requests, and from which mean probability on a product is popular.

    Customers are drawn from the snapshot and chosen one by one, so that the means of the chosen ones' probabilities,
    holdings and embeddings come nearest to those of all drawn (herding: Welling, "Herding dynamical weights to learn",
    ICML 2009). Where the export holds no customers the background is one of whom nothing is known.
    """
    read = {name for group in reason_groups(recommender) for name in group.inputs} | {"as_of_day"}
    customers = recommender.customers()
    if len(customers.ids):
        rows = draw_rows(len(customers.ids), _POOL, _SEED)
        count, pool = len(rows), take(customers.columns, rows)
    else:
        count, pool = 1, {}
    known = recommender.complete({name: values for name, values in pool.items() if name in read}, count)
    requests = {name: known[name] for name in known if name in read}
    ids = recommender.products.ids
    some = ids[np.linspace(0, len(ids) - 1, min(_POOL_PRODUCTS, len(ids))).astype(int)]
    asked = requests | {"candidates": np.tile(some, (count, 1))}
    probabilities = recommender.predict(SIGNATURE, asked)["probability"]
    without = ~holds(requests["held_products"], some)
    embeddings = recommender.predict("embed_customer", requests)["embedding"]
    parts = [_scaled(values) for values in (probabilities * without, without, embeddings)]
    means = (probabilities * without).sum(axis=0) / np.maximum(without.sum(axis=0), 1)
    return take(requests, _herd(np.concatenate(parts, axis=1), size)), float(np.quantile(means, _POPULAR))


def _scaled(values: Array) -> Array:
    """Return columns with mean 0 and together variance 1, so that all parts count alike."""
    values = values.astype(np.float64)
    deviation = values.std(axis=0)
    return (values - values.mean(axis=0)) / np.where(deviation > 0, deviation, 1.0) / np.sqrt(values.shape[1])


def _herd(points: Array, count: int) -> Array:
    """Return the rows of some points, [num, dim] with mean 0, whose running mean stays nearest to 0; [count]."""
    chosen: list[int] = []
    total, free = np.zeros(points.shape[1]), np.ones(len(points), bool)
    while len(chosen) < min(count, len(points)):
        distance = ((total + points) ** 2).sum(axis=1)
        best = int(np.where(free, distance, np.inf).argmin())
        chosen.append(best)
        free[best] = False
        total += points[best]
    return np.array(sorted(chosen))

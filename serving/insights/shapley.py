"""SHAP values (Lundberg and Lee, "A unified approach to interpreting model predictions", NIPS 2017), by the package.

`CoalitionModel` and `exact_shap_values` are for reasons: what a model says of a customer of whom a part is known. The
value of a set of groups of inputs is the mean probability over background customers who have these inputs from the
explained customer (the interventional value function). Those who hold a product already are left out of its mean:
nobody would offer it to them. The value of all groups is the customer's probability, that of none is the base.

`ShapleyProblem` is the same for a score of a stage and the places of its vector. `permutation` asks shap for one;
`sampling` is an estimator of our own for whole batches, six times as fast: the global importance at the export. A test
compares the two.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

from nextbest.data.dataset import Array, Features
from nextbest.data.errors import explain_missing_packages
from nextbest.data.padding import concat_padded
from nextbest.serving.config import ExplanationConfig
from nextbest.serving.recommender import Recommender
from nextbest.serving.requests import take

__all__ = [
    "ROWS_PER_CALL",
    "SIGNATURE",
    "CoalitionModel",
    "ShapleyProblem",
    "exact_shap_values",
    "holds",
    "import_shap",
    "permutation",
    "sampling",
]

SIGNATURE = "score_products"
"""What is asked."""
ROWS_PER_CALL = 4096
"""The most customers in a call, which bounds the memory."""


class CoalitionModel:
    """The probabilities of some products for one customer, as a function of the groups of inputs that are known."""

    def __init__(
        self,
        recommender: Recommender,
        customer: Mapping[str, Array],
        background: Mapping[str, Array],
        groups: Sequence[Sequence[str]],
        product_ids: Array,
    ) -> None:
        """Lay the customer and the background side by side.

        Args:
            recommender: The version that is asked.
            customer: The explained customer's completed raw request, one row.
            background: Those of the background customers, [num_background, ...].
            groups: The inputs of each group.
            product_ids: Object str, [num_products].
        """
        self._recommender, self._product_ids = recommender, product_ids
        customer, background = _with_days(customer), _with_days(background)
        both = {name: concat_padded([customer[name], background[name]], _padding(customer[name])) for name in customer}
        trimmed = _without_padding(both)
        self.customer, self._background = take(trimmed, slice(0, 1)), take(trimmed, slice(1, None))
        # All are asked on the day of the customer's request.
        self._background["as_of_day"] = np.repeat(self.customer["as_of_day"], len(background["as_of_day"]))
        self._group_of_input = {name: place for place, inputs in enumerate(groups) for name in inputs}
        without = ~holds(self._background["held_products"], product_ids)
        counted = np.where(without.any(axis=0), without, True)
        self._weights = counted / counted.sum(axis=0)
        differs = [self._differing(inputs) for inputs in groups]
        self._differs = np.array(differs, bool).reshape(len(groups), -1).T

    @property
    def varying(self) -> Array:
        """Which groups differ between the customer and any of the background, bool [num_groups]; others are worth 0."""
        return np.asarray(self._differs.any(axis=0))

    def values(self, coalitions: Array) -> Array:
        """Return the mean probability of each set of groups, float64 [num, num_products].

        Rows that are equal are asked once: a group that the customer shares with a background customer changes nothing.

        Args:
            coalitions: Which groups each set has, bool [num, num_groups].
        """
        num_background, num_groups = self._differs.shape
        weights = 1 << np.arange(num_groups)
        taken = (np.asarray(coalitions, bool)[:, None, :] & self._differs[None]) @ weights
        keys = taken + (np.arange(num_background) << num_groups)
        asked, places = np.unique(keys, return_inverse=True)
        found = self.ask(self._mixed(asked >> num_groups, asked))
        return self.mean(found[places.reshape(keys.shape)])

    def mean(self, probabilities: Array) -> Array:
        """Return the mean over the background, float64 [..., num_products] of [..., num_background, num_products]."""
        return (probabilities * self._weights).sum(axis=-2)

    def ask(self, requests: Mapping[str, Array]) -> Array:
        """Return the products' probabilities for customers, float32 [num_customers, num_products]."""
        count = len(requests["as_of_day"])
        candidates = np.tile(self._product_ids, (min(count, ROWS_PER_CALL), 1))
        found = []
        for first in range(0, count, ROWS_PER_CALL):
            rows = take(dict(requests), slice(first, first + ROWS_PER_CALL))
            request = rows | {"candidates": candidates[: len(rows["as_of_day"])]}
            found.append(self._recommender.predict(SIGNATURE, request)["probability"])
        return np.concatenate(found)

    def without(self, names: Iterable[str]) -> Features:
        """Return requests of the customer with some inputs from each background customer, [num_background, ...]."""
        repeated = take(self.customer, np.zeros(len(self._differs), int))
        return repeated | {name: self._background[name] for name in names}

    def _differing(self, inputs: Sequence[str]) -> Array:
        """Return which background customers have other values of some inputs, bool [num_background]."""
        differs = np.zeros(len(self._background["as_of_day"]), bool)
        for name in inputs:
            mine, others = self.customer[name], self._background[name]
            equal = (mine == others) | ((mine != mine) & (others != others))  # of two missing numbers too
            differs |= ~(equal if equal.ndim == 1 else equal.all(axis=1))
        return differs

    def _mixed(self, background: Array, sets: Array) -> Features:
        """Return requests with a set's inputs from the customer, the others from a background customer, [num, ...]."""
        mixed = {}
        for name, values in self._background.items():
            others = values[background]
            if name in self._group_of_input:
                mine = (sets >> self._group_of_input[name]) & 1 == 1
                others[mine] = self.customer[name][0]
            mixed[name] = others
        return mixed


def holds(held_products: Array, product_ids: Array) -> Array:
    """Return who holds which products, bool [num_customers, num_products].

    Args:
        held_products: The customers' lists, object str, [num_customers, any].
        product_ids: Object str, [num_products].
    """
    return np.stack([(held_products == product).any(axis=1) for product in product_ids], axis=1)


def exact_shap_values(value: Callable[[Array], Array], varying: Array) -> tuple[Array, Array]:
    """Return the base, [num_outputs], and the SHAP values by `shap.ExactExplainer`, [num_players, num_outputs].

    Args:
        value: From sets of players, bool [num, num_players], to their values, [num, num_outputs]; it is asked once.
        varying: Which players may change anything, bool [num_players]; the others' values are 0.
    """
    num_players = len(varying)
    if not varying.any():
        base = value(np.zeros((1, num_players), bool))[0]
        return base, np.zeros((num_players, len(base)))
    shap = import_shap()
    # A player who is 0 in the background and 1 in what is explained is taken or not; one who is 0 in both is left out.
    explainer = shap.explainers.Exact(value, shap.maskers.Independent(np.zeros((1, num_players))))
    found = explainer(varying[None].astype(float), batch_size=2**num_players, silent=True)
    # It drops the dimension of a single output.
    return np.reshape(found.base_values[0], -1), np.reshape(found.values[0], (num_players, -1))


def import_shap() -> Any:
    """Import the package shap, and where it uses Numba without compiling its loops, unless it is imported already.

    Numba takes ten seconds to compile what an explanation of ten groups runs through in a few hundredths of a second.

    Raises:
        MissingPackageError: It is not installed.
    """
    with explain_missing_packages():
        if "shap" in sys.modules or find_spec("numba") is None:
            return import_module("shap")
        config: Any = import_module("numba").config
        compiles = config.DISABLE_JIT
        config.DISABLE_JIT = True
        try:
            return import_module("shap")
        finally:
            config.DISABLE_JIT = compiles


class ShapleyProblem:
    """A score that is a function of named features, and the background that they are compared with."""

    def __init__(
        self,
        score: Callable[[Array], Array],
        background: Array,
        groups: Sequence[Sequence[int]],
        config: ExplanationConfig,
    ) -> None:
        """Set up.

        Args:
            score: From vectors, float32 [num, width], to scores [num].
            background: Vectors, float32 [num_background, width].
            groups: The places of each feature; every place of the vector is in one.
            config: Settings.
        """
        self.score, self.background, self.config = score, background, config
        self.groups = [list(places) for places in groups]
        self.num_features = len(groups)
        self.feature_of_place = np.zeros(background.shape[1], np.int64)
        for feature, places in enumerate(self.groups):
            self.feature_of_place[places] = feature

    def coalition_value(self, vector: Array, coalitions: Array) -> Array:
        """Return the value of each set of features, float64 [num].

        Args:
            vector: The explained one, [width].
            coalitions: Which features each set has, bool [num, num_features].
        """
        is_explained = np.asarray(coalitions, bool)[:, self.feature_of_place]
        mixed = np.where(is_explained[:, None, :], vector, self.background[None])
        scores = self.score(mixed.reshape(-1, len(vector)))
        return scores.reshape(len(coalitions), len(self.background)).mean(axis=1, dtype=np.float64)


def sampling(problem: ShapleyProblem, vector: Array) -> tuple[float, Array]:
    """Walk from each background's vector to the explained one, feature by feature, in random orders and their reverses.

    Štrumbelj and Kononenko, "Explaining prediction models and individual predictions with feature contributions", KAIS
    2014, algorithm 1, with the antithetic orders of Mitchell et al., "Sampling permutations for Shapley value
    estimation", JMLR 2022, section 3.3. A step is scored only where it changes the vector. Each background vector
    begins as many walks as any other, so that contributions add up without an error of sampling.
    """
    starts, ranks = _walks(len(problem.background), problem.num_features, problem.config.orders, problem.config.seed)
    differs = problem.background != vector
    changes = np.stack([differs[:, places].any(axis=1) for places in problem.groups], axis=1)
    order = np.argsort(ranks, axis=1)
    moves = np.take_along_axis(changes[starts], order, axis=1)
    is_scored = np.pad(moves, ((0, 0), (1, 0)), constant_values=True)
    walk, step = np.nonzero(is_scored)
    is_explained = ranks[:, problem.feature_of_place][walk] < step[:, None]
    vectors = np.where(is_explained, vector, problem.background[starts[walk]])
    scores = problem.score(vectors).astype(np.float64)
    # A step that changes nothing has the score of the step before.
    along = scores[np.cumsum(is_scored.ravel()) - 1].reshape(is_scored.shape)
    steps = np.take_along_axis(np.diff(along, axis=1), ranks, axis=1)
    return float(along[:, 0].mean()), steps.mean(axis=0)


@lru_cache(maxsize=8)
def _walks(num_background: int, num_features: int, orders: int, seed: int) -> tuple[Array, Array]:
    """Return where walks start, and in which order each replaces the features.

    Returns:
        The background's vector at which each starts, [num_walks], and the place of each feature in its order,
        [num_walks, num_features].
    """
    random = np.random.default_rng(seed)
    starts = np.repeat(np.arange(num_background), -(-orders // num_background))
    ranks = random.permuted(np.tile(np.arange(num_features), (len(starts), 1)), axis=1)
    return np.tile(starts, 2), np.concatenate([ranks, num_features - 1 - ranks])


def permutation(problem: ShapleyProblem, vector: Array) -> tuple[float, Array]:
    """Return the base and the contributions, float64 [num_features], of an explained vector, [width], by shap.

    Raises:
        MissingPackageError: shap is not installed.
    """
    shap = import_shap()
    none, everything = np.zeros((1, problem.num_features)), np.ones((1, problem.num_features))
    explainer = shap.PermutationExplainer(
        lambda coalitions: problem.coalition_value(vector, coalitions),
        shap.maskers.Independent(none),
        seed=problem.config.seed,
    )
    evaluations = problem.config.permutations * (2 * problem.num_features + 1)
    found = explainer(everything, max_evals=evaluations, silent=True)
    return float(found.base_values[0]), np.asarray(found.values[0])


def _with_days(request: Mapping[str, Array]) -> Features:
    """Return a request with a day for each product of its lists; left out, they mean the day of the request."""
    filled = dict(request)
    for name, days in request.items():
        products = request.get(f"{name.removesuffix('_days')}_products")
        if products is not None and name.endswith("_days") and not days.shape[1]:
            filled[name] = np.repeat(request["as_of_day"][:, None], products.shape[1], axis=1)
    return filled


def _padding(values: Array) -> Any:
    return "" if values.dtype == object else 0


def _without_padding(request: Mapping[str, Array]) -> Features:
    """Return requests whose lists are as wide as the longest of them."""
    trimmed = dict(request)
    for name, values in request.items():
        if values.ndim == 2 and name.endswith("_products"):
            width = int(np.flatnonzero((values != "").any(axis=0)).max(initial=-1)) + 1
            days = f"{name.removesuffix('_products')}_days"
            trimmed[name], trimmed[days] = values[:, :width], request[days][:, :width]
    return trimmed

"""Why a product is recommended: SHAP values of both stages' scores on features that people know.

*Ranking* explains the log-odds of the calibrated probability that is shown (the logit of a purchase): a contribution
of 0.69 doubles the odds. *Retrieval* explains the similarity, a cosine, as a function of the customer; the product is
given.
Contributions and the base, which is the mean score of the background that the export holds, add up to the score.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from nextbest.data.dataset import Array, Features
from nextbest.data.errors import FailedError, InputError, Problem, shown
from nextbest.data.feature_names import FeatureKind
from nextbest.serving.artifacts.assets import EXPLANATIONS
from nextbest.serving.config import ExplanationConfig
from nextbest.serving.insights.explanation_data import ExplainedStage, ExplanationAssets, Stage
from nextbest.serving.insights.sentences import Words, feature_name, sentence
from nextbest.serving.insights.shapley import EXPLAINERS, Game
from nextbest.serving.recommender import Recommender
from nextbest.serving.requests import take

__all__ = [
    "Contribution",
    "Explainer",
    "Explanation",
    "FeatureImportance",
    "Importance",
    "explanations",
    "importance",
    "reasons",
]

_SCORES: Mapping[Stage, str] = {"ranking": "log_odds", "retrieval": "similarity"}
"""What the composite calls the score of each stage."""


@dataclass(frozen=True)
class Contribution:
    """What one feature adds to a score."""

    name: str
    """As people read it."""
    kind: FeatureKind
    """Whether it says something of the customer, of the product, or of both together."""
    value: str
    """As people read it, with its unit."""
    contribution: float
    """In the unit of the score."""


@dataclass(frozen=True)
class Explanation:
    """Why a customer's score for a product is what it is."""

    stage: Stage
    product_id: str
    base: float
    """The mean score of the background."""
    score: float
    """Ranking: the log-odds of the probability. Retrieval: the similarity."""
    contributions: tuple[Contribution, ...]
    """The largest first; with the base they add up to the score."""
    sentence: str
    """What raises and what lowers the score most."""

    @property
    def probability(self) -> float | None:
        """The calibrated probability of a purchase within the horizon; None for the retrieval stage."""
        return 1 / (1 + math.exp(-self.score)) if self.stage == "ranking" else None

    def largest(self, count: int) -> tuple[Contribution, ...]:
        """Return the `count` largest contributions and, if there are more, the sum of the others as one."""
        kept, others = self.contributions[:count], self.contributions[count:]
        if not others:
            return kept
        total = sum(other.contribution for other in others)
        return (*kept, Contribution(f"{len(others)} other features", "cross", "", total))


class Explainer:
    """Explains what a recommender answers, whichever backend it asks."""

    def __init__(
        self,
        recommender: Recommender,
        config: ExplanationConfig | None = None,
        assets: ExplanationAssets | None = None,
    ) -> None:
        """Read what the export holds for explanations.

        Args:
            recommender: Who answers.
            config: Settings, by default the export's.
            assets: What the export holds, by default what lies in its assets.

        Raises:
            FailedError: The export is of a version that could not be explained.
        """
        assets = assets or _assets(recommender)
        self._recommender = recommender
        self._config = config or assets.config
        self._stages = assets.stages
        self._words = Words(recommender, self._config)

    def explain(self, request: Mapping[str, Array], product_id: str, stage: Stage) -> Explanation:
        """Explain one product's score for one customer.

        Args:
            request: One row of a raw request (see `data.query`); what it lacks is missing.
            product_id: The product, recommended or not.
            stage: Whose score.

        Raises:
            InputError: There is no such product.
            ValueError: The request has another number of rows.
            BackendError: The recommender does not answer.
        """
        (explained,) = self.explain_many(request, np.array([product_id], object), stage)
        return explained

    def explain_many(self, requests: Mapping[str, Array], product_ids: Array, stage: Stage) -> tuple[Explanation, ...]:
        """Explain one product's score for each customer.

        Args:
            requests: Raw requests, [batch, ...].
            product_ids: Object str, [batch].
            stage: Whose score.

        Raises:
            InputError: There is no such product.
            ValueError: There is not one product for each request.
            BackendError: The recommender does not answer.
        """
        vectors, scores = self.vectors(requests, product_ids, stage)
        request = self._recommender.complete(requests, len(product_ids))
        return tuple(
            self._explanation(take(request, slice(row, row + 1)), str(product), stage, vectors[row], float(scores[row]))
            for row, product in enumerate(product_ids)
        )

    def contributions(self, vector: Array, product_id: str, stage: Stage) -> tuple[float, Array]:
        """Return the base and the features' contributions, float64 [num_features], in the order of the export.

        Args:
            vector: What `feature_vectors` answers for a customer and the product, [width].
            product_id: The product.
            stage: Whose score.
        """
        return EXPLAINERS[self._config.explainer](self.game(product_id, stage), vector)

    def game(self, product_id: str, stage: Stage) -> Game:
        """Return what features are worth to a product's score."""
        found = self._stages[stage]

        def score(vectors: Array) -> Array:
            inputs = {f"{stage}_features": vectors, "product_id": np.full(len(vectors), product_id, object)}
            return self._recommender.predict(f"score_{stage}", inputs)[_SCORES[stage]]

        return Game(score, found.background, [feature.places for feature in found.features], self._config)

    def vectors(self, requests: Mapping[str, Array], product_ids: Array, stage: Stage) -> tuple[Array, Array]:
        """Return the feature vectors, [batch, width], and the scores, [batch], of one product for each customer.

        Arguments and errors as for `explain_many`.
        """
        self._check(requests, product_ids)
        answer = self._recommender.predict("feature_vectors", dict(requests) | {"product_id": product_ids})
        return answer[f"{stage}_features"], answer[_SCORES[stage]]

    def _check(self, requests: Mapping[str, Array], product_ids: Array) -> None:
        lengths = {name: len(values) for name, values in requests.items()}
        if set(lengths.values()) != {len(product_ids)}:
            raise ValueError(f"{len(product_ids)} products need a customer each, and the request has rows {lengths}")
        products = self._recommender.products
        if unknown := sorted(set(product_ids[products.positions(product_ids) < 0])):
            place, alike = str(self._recommender.folder), f"its products have ids like {', '.join(products.ids[:2])}"
            raise InputError(Problem(place, None, None, f"there is no product {shown(one)}", alike) for one in unknown)

    def _explanation(
        self, request: Features, product_id: str, stage: Stage, vector: Array, score: float
    ) -> Explanation:
        base, amounts = self.contributions(vector, product_id, stage)
        found = self._stages[stage]
        (product,) = self._recommender.products.positions(np.array([product_id], object))
        deviations = _deviations(found, vector)
        told = [
            self._words.tell(feature, request, int(product), float(vector[feature.places[0]]), float(far))
            for feature, far in zip(found.features, deviations, strict=True)
        ]
        contributions = [
            Contribution(feature_name(feature), feature.kind, one.value, float(amount))
            for feature, one, amount in zip(found.features, told, amounts, strict=True)
        ]
        ordered = tuple(sorted(contributions, key=lambda one: -abs(one.contribution)))
        text = sentence(amounts.tolist(), told, self._config)
        return Explanation(stage, product_id, base, score, ordered, text)


@dataclass(frozen=True)
class FeatureImportance:
    """How much one feature matters over all."""

    name: str
    """As people read it."""
    kind: FeatureKind
    """See `Contribution`."""
    mean_absolute: float
    """Mean absolute contribution, in the unit of the score."""
    values: Array
    """For a beeswarm: how much of the feature each sampled pair had, from 0 (the least) to 1, NaN where it has no
    order, float32, [num_points]."""
    contributions: Array
    """What it contributed, float32, [num_points]. Of an export without a customer snapshot there are no points."""


@dataclass(frozen=True)
class Importance:
    """Which features matter over all, by explanations of a sample of customers and their candidates at the export."""

    stage: Stage
    features: tuple[FeatureImportance, ...]
    """The most important first."""


def importance(recommender: Recommender, stage: Stage = "ranking") -> Importance | None:
    """Return the global importance that the export holds, None where it holds none."""
    path = recommender.asset(EXPLANATIONS)
    found = None if path is None else ExplanationAssets.load(path).stages[stage]
    if found is None or found.spread is None:
        return None
    spread = found.spread
    rows = zip(found.features, spread.mean_absolute, spread.values, spread.contributions, strict=True)
    features = [
        FeatureImportance(feature_name(feature), feature.kind, float(mean), values, contributions)
        for feature, mean, values, contributions in rows
    ]
    return Importance(stage, tuple(sorted(features, key=lambda one: -one.mean_absolute)))


def explanations(explainer: Explainer, requests: Mapping[str, Array], product_ids: Array) -> Array:
    """Return why products are recommended, by the ranking score.

    Args:
        explainer: Who explains.
        requests: Raw requests, [batch, ...].
        product_ids: Recommended products, '' is padding, object str, [batch, k].

    Returns:
        Of each an `Explanation`, object, [batch, k]; None for padding.

    Raises:
        InputError: There is no such product.
        BackendError: The recommender does not answer.
    """
    customers, places = np.nonzero(product_ids != "")
    told = np.full(product_ids.shape, None, object)
    if len(customers):
        asked = {name: values[customers] for name, values in requests.items()}
        told[customers, places] = explainer.explain_many(asked, product_ids[customers, places], "ranking")
    return told


def reasons(explainer: Explainer, requests: Mapping[str, Array], product_ids: Array) -> Array:
    """Return the sentences of `explanations`, object str, [batch, k]; '' for padding."""
    found = explanations(explainer, requests, product_ids)
    told = [one.sentence if one is not None else "" for one in found.flat]
    return np.array(told, object).reshape(found.shape)


def _deviations(stage: ExplainedStage, vector: Array) -> Array:
    """Return how many standard deviations each feature's first place is above the mean, [num_features]."""
    first = [feature.places[0] for feature in stage.features]
    spread = stage.deviation[first]
    return (vector[first] - stage.mean[first]) / np.where(spread > 0, spread, 1.0)


def _assets(recommender: Recommender) -> ExplanationAssets:
    path = recommender.asset(EXPLANATIONS)
    if path is None:
        raise FailedError(f"{recommender.folder} was exported without what explanations need; export it again")
    return ExplanationAssets.load(path)

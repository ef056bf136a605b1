"""What the models' features add to a score: SHAP values of both stages' scores on some 56 named features.

For people there are `reasons`; this is for those who know the models. `Explainer` explains single scores, `importance`
says what matters over all customers. *Ranking* explains the log-odds of the calibrated probability that is shown (the
logit of a purchase): a contribution of 0.69 doubles the odds. *Retrieval* explains the similarity, a cosine, as a
function of the customer; the product is given. Contributions and the base, which is the mean score of the background
that the export holds, add up to the score.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from nextbest.data.dataset import Array, Features
from nextbest.data.errors import FailedError
from nextbest.data.feature_names import FeatureKind
from nextbest.serving.artifacts.assets import EXPLANATIONS
from nextbest.serving.config import ExplanationConfig
from nextbest.serving.insights.explanation_data import ExplainedStage, ExplanationAssets, Stage
from nextbest.serving.insights.sentences import SentenceWriter, feature_name, write_sentence
from nextbest.serving.insights.shapley import ShapleyProblem, permutation
from nextbest.serving.language import say
from nextbest.serving.recommender import Recommender
from nextbest.serving.requests import check_products, take

__all__ = [
    "Contribution",
    "Explainer",
    "Explanation",
    "FeatureImportance",
    "Importance",
    "importance",
]

_SCORES: Mapping[Stage, str] = {"ranking": "log_odds", "retrieval": "similarity"}
"""The name of each stage's score in the answers of the recommender model."""


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
        return (*kept, Contribution(say("features-others", count=len(others)), "cross", "", total))


class Explainer:
    """Explains the scores of a recommender, with any backend."""

    def __init__(
        self,
        recommender: Recommender,
        config: ExplanationConfig | None = None,
        assets: ExplanationAssets | None = None,
    ) -> None:
        """Read what the export holds for explanations.

        Args:
            recommender: The version whose scores are explained.
            config: Settings, by default the export's.
            assets: What the export holds, by default what lies in its assets.

        Raises:
            FailedError: The export is of a version that could not be explained.
        """
        assets = assets or _load_assets(recommender)
        self._recommender = recommender
        self._config = config or assets.config
        self._stages = assets.stages
        self._writer = SentenceWriter(recommender, self._config)

    def explain(self, request: Mapping[str, Array], product_id: str, stage: Stage) -> Explanation:
        """Explain one product's score for one customer.

        Args:
            request: One row of a raw request (see `graph.query`); what it lacks is missing.
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

    def shapley_problem(self, product_id: str, stage: Stage) -> ShapleyProblem:
        """Return a product's score as a function of the stage's features."""
        explained = self._stages[stage]

        def score(vectors: Array) -> Array:
            inputs = {f"{stage}_features": vectors, "product_id": np.full(len(vectors), product_id, object)}
            return self._recommender.predict(f"score_{stage}", inputs)[_SCORES[stage]]

        groups = [feature.places for feature in explained.features]
        return ShapleyProblem(score, explained.background, groups, self._config)

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
        check_products(self._recommender, product_ids)

    def _explanation(
        self, request: Features, product_id: str, stage: Stage, vector: Array, score: float
    ) -> Explanation:
        base, amounts = permutation(self.shapley_problem(product_id, stage), vector)
        explained = self._stages[stage]
        (product,) = self._recommender.products.positions(np.array([product_id], object))
        texts = [
            self._writer.describe(feature, request, int(product), float(vector[feature.places[0]]), float(deviation))
            for feature, deviation in zip(explained.features, _deviations(explained, vector), strict=True)
        ]
        contributions = [
            Contribution(feature_name(feature), feature.kind, text.value, float(amount))
            for feature, text, amount in zip(explained.features, texts, amounts, strict=True)
        ]
        largest_first = tuple(sorted(contributions, key=lambda one: -abs(one.contribution)))
        sentence = write_sentence(amounts.tolist(), texts, self._config)
        return Explanation(stage, product_id, base, score, largest_first, sentence)


def _deviations(stage: ExplainedStage, vector: Array) -> Array:
    """Return how many standard deviations each feature's first place is above the mean, [num_features]."""
    first = [feature.places[0] for feature in stage.features]
    deviation = stage.deviation[first]
    return (vector[first] - stage.mean[first]) / np.where(deviation > 0, deviation, 1.0)


def _load_assets(recommender: Recommender) -> ExplanationAssets:
    file = recommender.asset(EXPLANATIONS)
    if file is None:
        raise FailedError(f"{recommender.folder} was exported without what explanations need; export it again")
    return ExplanationAssets.load(file)


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
    file = recommender.asset(EXPLANATIONS)
    explained = None if file is None else ExplanationAssets.load(file).stages[stage]
    if explained is None or explained.importance is None:
        return None
    sample = explained.importance
    rows = zip(explained.features, sample.mean_absolute, sample.values, sample.contributions, strict=True)
    features = [
        FeatureImportance(feature_name(feature), feature.kind, float(mean), values, contributions)
        for feature, mean, values, contributions in rows
    ]
    return Importance(stage, tuple(sorted(features, key=lambda one: -one.mean_absolute)))

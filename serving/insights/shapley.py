"""Estimators of Shapley values (Lundberg and Lee, "A unified approach to interpreting model predictions", NIPS 2017).

The players are named features, each a group of places of a model's vector. What a set of features is worth is the mean
score of the background's vectors with these features' places taken over from the explained one (the interventional
value function). All features together are worth the score, none the base, and contributions add up to the difference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

import numpy as np

from nextbest.data.dataset import Array
from nextbest.serving.config import ExplainerName, ExplanationConfig

__all__ = ["EXPLAINERS", "Game"]

_CORRELATED = 3
"""With fewer vectors there are no distances to correlate."""


class Game:
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

    def worth(self, vector: Array, chosen: Array) -> Array:
        """Return what sets of features are worth, float64 [num].

        Args:
            vector: The explained one, [width].
            chosen: Which features each set has, bool [num, num_features].
        """
        taken = np.asarray(chosen, bool)[:, self.feature_of_place]
        mixed = np.where(taken[:, None, :], vector, self.background[None])
        scores = self.score(mixed.reshape(-1, len(vector)))
        return scores.reshape(len(chosen), len(self.background)).mean(axis=1, dtype=np.float64)


@lru_cache(maxsize=8)
def _walks(num_background: int, num_features: int, orders: int, seed: int) -> tuple[Array, Array]:
    """Return where walks start and in which order they take features over.

    Returns:
        The background's vector at which each starts, [num_walks], and the place of each feature in its order,
        [num_walks, num_features].
    """
    random = np.random.default_rng(seed)
    starts = np.repeat(np.arange(num_background), -(-orders // num_background))
    ranks = random.permuted(np.tile(np.arange(num_features), (len(starts), 1)), axis=1)
    return np.tile(starts, 2), np.concatenate([ranks, num_features - 1 - ranks])


def sampling(game: Game, vector: Array) -> tuple[float, Array]:
    """Walk from each background's vector to the explained one, feature by feature, in random orders and their reverses.

    Štrumbelj and Kononenko, "Explaining prediction models and individual predictions with feature contributions", KAIS
    2014, algorithm 1, with the antithetic orders of Mitchell et al., "Sampling permutations for Shapley value
    estimation", JMLR 2022, section 3.3. A step is scored only where it changes the vector. Each background vector
    begins as many walks as any other, so that contributions add up without an error of sampling.
    """
    starts, ranks = _walks(len(game.background), game.num_features, game.config.orders, game.config.seed)
    differs = game.background != vector
    changes = np.stack([differs[:, places].any(axis=1) for places in game.groups], axis=1)
    order = np.argsort(ranks, axis=1)
    moves = np.take_along_axis(changes[starts], order, axis=1)
    scored = np.pad(moves, ((0, 0), (1, 0)), constant_values=True)
    walk, step = np.nonzero(scored)
    taken = ranks[:, game.feature_of_place][walk] < step[:, None]
    scores = game.score(np.where(taken, vector, game.background[starts[walk]])).astype(np.float64)
    along = scores[np.cumsum(scored.ravel()) - 1].reshape(scored.shape)  # a step that changes nothing scores as before
    steps = np.take_along_axis(np.diff(along, axis=1), ranks, axis=1)
    return float(along[:, 0].mean()), steps.mean(axis=0)


def permutation(game: Game, vector: Array) -> tuple[float, Array]:
    """Shap's PermutationExplainer: the same walks for the whole background at once, and so fewer orders."""
    import shap

    nothing, everything = np.zeros((1, game.num_features)), np.ones((1, game.num_features))
    explainer = shap.PermutationExplainer(
        lambda chosen: game.worth(vector, chosen), shap.maskers.Independent(nothing), seed=game.config.seed
    )
    evaluations = game.config.orders * (2 * game.num_features + 1)
    found = explainer(everything, max_evals=evaluations, silent=True)
    return float(found.base_values[0]), np.asarray(found.values[0])


def partition(game: Game, vector: Array) -> tuple[float, Array]:
    """Shap's PartitionExplainer: Owen values, by a tree of the features that correlate in the background."""
    import shap

    nothing, everything = np.zeros((1, game.num_features)), np.ones((1, game.num_features))
    masker = shap.maskers.Partition(nothing, clustering=_tree(game))
    explainer = shap.PartitionExplainer(lambda chosen: game.worth(vector, chosen), masker)
    found = explainer(everything, max_evals=game.config.evaluations, silent=True)
    return float(found.base_values[0]), np.asarray(found.values[0])


def _tree(game: Game) -> Array:
    """Return the features' clustering by the correlation of the distances between the background's vectors.

    With too few of these it is by the features' order.
    """
    from scipy.cluster.hierarchy import linkage
    from scipy.spatial.distance import pdist

    if len(game.background) < _CORRELATED:
        return linkage(np.arange(game.num_features, dtype=np.float64)[:, None])
    apart = [pdist(game.background[:, places]) for places in game.groups]
    return linkage(np.stack([(values - values.mean()) / (values.std() or 1.0) for values in apart]), method="average")


EXPLAINERS: Mapping[ExplainerName, Callable[[Game, Array], tuple[float, Array]]] = {
    "sampling": sampling,
    "permutation": permutation,
    "partition": partition,
}
"""From a game and the explained vector, [width], to the base and the contributions, float64 [num_features]."""

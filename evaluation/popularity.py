"""Whether models show the popular alone: each fifth of the catalogue's share of the places, Gini, coverage."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import scipy.sparse as sp

from nextbest.data.dataset import Array
from nextbest.data.snapshot import NO_PRODUCT
from nextbest.evaluation.groups import resampled_shares
from nextbest.evaluation.results import Popularity, PopularityReport
from nextbest.modelling.metrics import coverage

__all__ = ["gini", "measure_popularity", "quintiles"]

_FIFTHS = 5


def measure_popularity(
    lists: Mapping[str, Array], popularity: Array, relevant: sp.csr_matrix, k: int
) -> PopularityReport:
    """Measure how the models spread their first `k` places over the catalogue.

    Args:
        lists: Model -> product positions, NO_PRODUCT is padding, int32 [n, at least k].
        popularity: How often each product was acquired before the cutoff, [num_products].
        relevant: Nonzero where a customer acquired a product in the window, [n, num_products].
        k: How many places count.
    """
    fifth, num_products = quintiles(popularity), len(popularity)
    taken = np.asarray((relevant != 0).sum(axis=0)).ravel()
    acquired = np.bincount(fifth, taken, _FIFTHS) / taken.sum()
    counts = np.zeros((relevant.shape[0], len(lists), _FIFTHS), np.int64)
    spread = {}
    for place, (name, ranked) in enumerate(lists.items()):
        rows, places = np.nonzero(ranked[:, :k] != NO_PRODUCT)
        products = ranked[rows, places]
        np.add.at(counts[:, place], (rows, fifth[products]), 1)
        spread[name] = gini(np.bincount(products, minlength=num_products)), coverage(ranked, num_products, k)
    shares = zip(spread.items(), resampled_shares(counts), strict=True)
    models = {
        name: Popularity(quintiles=tuple(found), gini=unequal, coverage=covered)
        for (name, (unequal, covered)), found in shares
    }
    return PopularityReport(acquired=tuple(acquired.tolist()), acquired_gini=gini(taken), models=models)


def quintiles(popularity: Array) -> Array:
    """Return each product's fifth by popularity, 0 for the least popular to 4, int64 [num_products].

    The fifths have as many products each as can be; of equally popular ones the first by id is taken for less popular.
    """
    fifth = np.empty(len(popularity), np.int64)
    fifth[np.argsort(popularity, kind="stable")] = np.arange(len(popularity)) * _FIFTHS // len(popularity)
    return fifth


def gini(counts: Array) -> float:
    """Return the Gini coefficient: 0 where all counts are equal, (n - 1) / n where one has all; 0 where all are 0.

    It is sum_i (2 i - n - 1) x_i / (n sum_i x_i) over the counts in ascending order, i = 1 to n (Gini 1912).

    Args:
        counts: Not negative, [n].
    """
    total, number = counts.sum(), len(counts)
    if not total:
        return 0.0
    weights = 2 * np.arange(1, number + 1) - number - 1
    return float((weights * np.sort(counts)).sum() / (number * total))

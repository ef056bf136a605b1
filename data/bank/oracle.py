"""The best possible scores at the test cutoff: what follows from the true state, hidden tastes included."""

from __future__ import annotations

import numpy as np

from nextbest.data.bank.simulation import Situation, advance, refresh
from nextbest.data.bank.utility import Market
from nextbest.data.dataset import Array

__all__ = ["acquisition_probabilities", "best_products"]


def acquisition_probabilities(market: Market, at_cutoff: Situation, draws: int, rng: np.random.Generator) -> Array:
    """Return the probability of newly taking each product within the horizon, [num_customers, num_products].

    The steps after the cutoff are lived again `draws` times by the simulation's own step. Each draw adds up the
    probabilities of its choices, as long as a product has not been taken, instead of counting what was drawn: the
    same mean with far less noise (Rao-Blackwell). What is held at the cutoff is never new.
    """
    timeline = market.world.timeline
    total = np.zeros(at_cutoff.state.held.shape)
    for _ in range(draws):
        now = at_cutoff.copy()
        fresh = ~at_cutoff.state.held
        for step in range(timeline.cutoff_step, len(timeline)):
            if timeline.refresh[step] and step > timeline.cutoff_step:
                now = refresh(market, now, step, rng)
            change = advance(market, now, step, rng)
            total += change.probabilities * fresh
            fresh[change.bought] = False
    # A likely product that the draws happened to miss adds up to a little more than 1.
    return np.minimum(total / draws, 1)


def best_products(probabilities: Array, top: int) -> tuple[Array, Array, Array]:
    """Return each customer's likeliest products, best first, without impossible ones.

    Args:
        probabilities: [num_customers, num_products].
        top: How many a customer.

    Returns:
        Positions of the customers and of the products, and the probabilities, each [num_pairs].
    """
    products = np.argsort(-probabilities, axis=1, kind="stable")[:, :top]
    best = np.take_along_axis(probabilities, products, axis=1)
    customers, columns = np.nonzero(best > 0)
    return customers, products[customers, columns], best[customers, columns]

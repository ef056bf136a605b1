"""One branch's history: joining, choosing, closing, looking around and growing older, month by month."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from nextbest.data.bank.categories import CATEGORIES
from nextbest.data.bank.population import People, live
from nextbest.data.bank.utility import RENEWAL_KEPT, Hidden, Market, State, Tastes
from nextbest.data.dataset import Array

__all__ = [
    "EVENT_NAMES",
    "Branch",
    "Diary",
    "Events",
    "Situation",
    "acquisition_probabilities",
    "advance",
    "best_products",
    "live_step",
    "refresh",
    "simulate_branch",
]

EVENT_NAMES = VIEW, OPEN, CLOSE = ("view", "open", "close")
BORROWED = np.array([one.borrowed for one in CATEGORIES])
CLOSING = np.array([one.closing for one in CATEGORIES])
ACCOUNT = [one.name for one in CATEGORIES].index("current_account")
INTEREST_FLOOR = 0.05
"""An interest below it is forgotten."""


@dataclass(frozen=True)
class Events:
    """Dated interactions of a branch."""

    customer: Array
    """Position in the branch."""
    product: Array
    """Position in the assortment."""
    day: Array
    """Days since 1970-01-01."""
    event: Array
    """Position in EVENT_NAMES, int8."""


@dataclass(frozen=True)
class Situation:
    """All that the future of a branch depends on."""

    people: People
    hidden: Hidden
    tastes: Tastes
    state: State

    def copy(self) -> Situation:
        """Return a situation whose state changes on its own."""
        return replace(self, state=self.state.copy())


@dataclass(frozen=True)
class Branch:
    """A simulated branch."""

    rows: list[tuple[Array, Array, People]]
    """Dated rows: (positions of the customers, days, the people as they were), the second and third by row."""
    events: Events
    at_cutoff: Situation


@dataclass(frozen=True)
class Change:
    """What happened in a step."""

    probabilities: Array
    """Of taking each product, [num_customers, num_products]."""
    bought: tuple[Array, Array]
    """Customers and products."""
    closed: tuple[Array, Array]
    """Customers and products."""


def simulate_branch(market: Market, people: People, hidden: Hidden, rng: np.random.Generator) -> Branch:
    """Simulate a branch from the opening of the bank to the end of the test window.

    Args:
        market: The branch's assortment.
        people: The customers as they are on the day they join.
        hidden: What no table shows of them.
        rng: Source of everything random here.
    """
    timeline = market.world.timeline
    now = Situation(people, hidden, market.tastes(people, hidden), State.empty(len(people), len(market.catalogue)))
    joining_step = np.searchsorted(timeline.bounds, people.joined, side="left") - 1
    diary = Diary(timeline.bounds, rng)
    rows = [(np.arange(len(people)), people.joined, people)]
    for step in range(len(timeline)):
        if timeline.refresh[step]:
            now = refresh(market, now, step, rng)
            known = np.flatnonzero(now.state.active)
            rows.append((known, np.full(len(known), timeline.bounds[step]), now.people.take(known)))
        if step == timeline.cutoff_step:
            at_cutoff = now.copy()
        live_step(market, now, step, joining_step == step, diary, rng)
    return Branch(rows, diary.events(), at_cutoff)


def live_step(
    market: Market, now: Situation, step: int, joining: Array, diary: Diary, rng: np.random.Generator
) -> None:
    """Live through one step and write down what happens; `now.state` becomes that of its end.

    Args:
        market: The branch's assortment.
        now: The situation at its beginning.
        step: Which step.
        joining: Who joins in it, bool, [num_customers].
        diary: What is written into.
        rng: Source of everything random here.
    """
    change = advance(market, now, step, rng)
    diary.write(OPEN, change.bought, step)
    diary.write(CLOSE, change.closed, step)
    diary.write(VIEW, _draw_views(market, now, step, rng), step)
    brought = _join(market, now, joining, step, rng)
    diary.write(OPEN, brought, step, now.people.joined[brought[0]])


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


def refresh(market: Market, now: Situation, step: int, rng: np.random.Generator) -> Situation:
    """Return the situation in which every active customer has a new row, dated at the start of the step."""
    owed = _remaining_debt(market, now.people, now.state, step)
    older = live(now.people, int(market.world.timeline.bounds[step]), owed, rng)
    people = now.people.where(now.state.active, older)
    return replace(now, people=people, tastes=market.tastes(people, now.hidden))


def advance(market: Market, now: Situation, step: int, rng: np.random.Generator) -> Change:
    """Live through one step; `now.state` becomes that of its end. The history and the oracle both go this way."""
    choice, tastes, state = market.world.choice, now.tastes, now.state
    *closed, leavers = _draw_closed(market, state, step, rng)
    kept = state.held.copy()
    kept[*closed] = False
    state.active[leavers] = False
    probabilities = market.probabilities(tastes, state, kept, step)
    bought = _draw(probabilities, rng)
    state.held = kept
    state.held[bought] = True
    state.since[bought] = step
    state.ended *= RENEWAL_KEPT
    state.ended[closed[0], market.category[closed[1]]] = 1
    state.interest *= choice.interest_kept
    state.interest[state.interest < INTEREST_FLOOR] = 0
    unmet = probabilities.copy()
    unmet[bought] = 0
    state.interest[_draw(_normalise(unmet, tastes.curiosity), rng)] = 1
    state.interest[bought] = 0
    return Change(probabilities, bought, (closed[0], closed[1]))


def _draw(probabilities: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """Draw at most one product a customer; a row's missing probability is that of none. Returns the pairs."""
    cumulated = np.cumsum(probabilities, axis=1)
    point = rng.uniform(size=(len(probabilities), 1))
    customers = np.flatnonzero(point[:, 0] < cumulated[:, -1])
    return customers, np.argmax(cumulated[customers] > point[customers], axis=1)


def _normalise(probabilities: Array, total: Array | float = 1.0) -> Array:
    sums = probabilities.sum(axis=1)
    return probabilities * np.divide(total, sums, out=np.zeros_like(sums), where=sums > 0)[:, None]


def _draw_closed(market: Market, state: State, step: int, rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """Draw what ends: terms that have run out, products that are closed, and all that leavers held.

    Returns:
        The customers and products of what ends, and who leaves.
    """
    leaves = state.active & (rng.uniform(size=len(state.active)) < market.world.choice.leave)
    customers, products = np.nonzero(state.held)
    duration = market.catalogue.duration_months[products]
    expired = (duration > 0) & (step - state.since[customers, products] >= duration)
    closed = rng.uniform(size=len(customers)) < CLOSING[market.category[products]]
    ends = expired | closed | leaves[customers]
    return customers[ends], products[ends], np.flatnonzero(leaves)


def _join(market: Market, now: Situation, joining: Array, step: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Let customers (bool, [num_customers]) join with a current account and what they bring along."""
    state = now.state
    state.active |= joining
    wanted = joining * (1 + rng.poisson(market.world.choice.bundle, len(joining)))
    chosen = []
    for number in range(wanted.max(initial=0)):
        probabilities = market.probabilities(now.tastes, state, state.held, step)
        probabilities[wanted <= number] = 0
        if number == 0:
            probabilities[:, market.category != ACCOUNT] = 0
        pairs = _draw(_normalise(probabilities), rng)
        state.held[pairs] = True
        state.since[pairs] = step
        chosen.append(pairs)
    if not chosen:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    return np.concatenate([pair[0] for pair in chosen]), np.concatenate([pair[1] for pair in chosen])


def _draw_views(market: Market, now: Situation, step: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Draw page views: of what interests a customer, and of whatever is popular."""
    choice, state = market.world.choice, now.state
    customers, products = np.nonzero(state.interest)
    times = rng.poisson(choice.views * state.interest[customers, products]) * state.active[customers]
    idle = rng.poisson(2 * choice.idle_views * now.people.digital_engagement) * state.active
    popularity = np.exp(market.popularity(step).astype(np.float64))
    looked_at = rng.choice(len(popularity), idle.sum(), p=popularity / popularity.sum())
    return (
        np.concatenate([np.repeat(customers, times), np.repeat(np.arange(len(idle)), idle)]),
        np.concatenate([np.repeat(products, times), looked_at]),
    )


def _remaining_debt(market: Market, people: People, state: State, step: int) -> Array:
    """Return what is left of loans and mortgages, paid back evenly over their term, in EUR, [num_customers]."""
    customers, products = np.nonzero(state.held & (BORROWED[market.category] > 0))
    gone = (step - state.since[customers, products]) / market.catalogue.duration_months[products]
    left = BORROWED[market.category[products]] * people.income[customers] * (1 - gone)
    return np.bincount(customers, left, minlength=len(people))


class Diary:
    """Collects dated events."""

    def __init__(self, bounds: Array, rng: np.random.Generator) -> None:
        self._bounds, self._rng = bounds, rng
        self._parts: list[tuple[Array, Array, Array, Array]] = []

    def write(self, name: str, pairs: tuple[Array, Array], step: int, days: Array | None = None) -> None:
        """Note an event of each (customer, product) pair, on the given days or on any day of the step."""
        first, last = self._bounds[step] + 1, self._bounds[step + 1]
        if days is None:
            days = self._rng.integers(first, last + 1, len(pairs[0]))
        self._parts.append((*pairs, days, np.full(len(days), EVENT_NAMES.index(name), np.int8)))

    def events(self) -> Events:
        """Return all events by customer and day."""
        customer, product, day, event = (np.concatenate(column) for column in zip(*self._parts, strict=True))
        order = np.lexsort((product, event, day, customer))
        return Events(customer[order], product[order], day[order], event[order])

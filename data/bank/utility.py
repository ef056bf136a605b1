r"""Why a customer takes a product: a nested logit, so that the best possible recommendation is known.

In step t (about a month) customer i takes at most one product j, of category c, with the probability

    P(j) = exp(v_ij / s) / sum_{k in c} exp(v_ik / s)                      which product of the category
         * exp(w_ic) I_ic^s / (exp(inertia_i) + sum_d exp(w_id) I_id^s)    which category, or nothing

where s is the similarity of products within a category, the sums run over the products that i may take, and
I_ic = sum_{k in c} exp(v_ik / s) / (number of products of c), so that a longer catalogue does not sell more.

    v_ij = popularity_j(t)                   lasting, plus bumps that rise and fade over months
         + x_i B a_j                         taste for attributes that follows from the customer's row
         + z_i . q_j                         taste for latent style; z is partly explained by the row
         + R[region_i, brand_j]              regional leaning to a brand
         + loyalty [i holds j's brand in c]
         + interest_ij                       what i has lately looked into; it shows as page views
         - misfit |tolerance_i - risk_j| (investments) - burden fee_j / income_i
    w_ic = base_c + n_c . x_i                needs that follow from the situation and from life events
         + h_ic                              hidden need
         + sum_{d held} G_dc + repeat_c count_ic + renewal [a product of c has just ended]
         + season_c(t) + campaign_{segment_i, c}(t)

A customer may take what the branch offers, has been launched, is not held, whose required category is held, and what
the policy allows: risk_level <= risk_tolerance, min_income <= income, min_age <= age, min_deposit <= savings, all
by the customer's newest row. The nests make huge catalogues cheap: a branch offers an assortment of products of every
category, so the matrices are [customers of a branch, its products] however many there are.

Source of the model: D. McFadden, "Modelling the choice of residential location" (1978).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nextbest.data.bank.catalogue import STYLES, BankProducts
from nextbest.data.bank.categories import ATTRIBUTE_TASTES, ATTRIBUTES, BRANDS, CATEGORIES, REGIONS, SITUATION
from nextbest.data.bank.config import DAYS_PER_MONTH, BankConfig, ChoiceConfig, Timeline
from nextbest.data.bank.population import SEGMENTS, People, situation
from nextbest.data.dataset import Array

__all__ = ["Hidden", "Market", "State", "Tastes", "World", "draw_hidden", "draw_world"]

SEASON_MONTHS = 1.3
"""Width (standard deviation) of a season."""
CAMPAIGN_STEPS, CAMPAIGN_RATE = 4, 0.4
"""Length of a campaign, and how many a segment gets in a step."""
EXPLAINED_STYLE = 0.6
"""Correlation of the taste for style with what the customer's row says."""
RENEWAL_KEPT = 0.5
"""Share of the wish to renew that is left a step later."""


@dataclass(frozen=True)
class World:
    """What all branches share."""

    choice: ChoiceConfig
    timeline: Timeline
    brand_leaning: Array
    """[num_regions, num_brands]."""
    style_of_situation: Array
    """[num_parts, STYLES]."""
    season: Array
    """[num_steps, num_categories]."""
    campaign: Array
    """[num_steps, num_segments, num_categories]."""


def _weights(rows: list[dict[str, float]]) -> Array:
    """Return the tables of weights as a matrix, float32, [num_parts, num_rows]."""
    return np.array([[row.get(part, 0.0) for row in rows] for part in SITUATION], np.float32)


NEEDS = _weights([category.needs for category in CATEGORIES])
TASTES = _weights([ATTRIBUTE_TASTES[name] for name in ATTRIBUTES])
LEADS_TO = np.array([[one.leads_to.get(other.name, 0.0) for other in CATEGORIES] for one in CATEGORIES], np.float32)
NAMES = [category.name for category in CATEGORIES]
REQUIRED = np.array([NAMES.index(one.requires) if one.requires else -1 for one in CATEGORIES])


def draw_world(config: BankConfig, timeline: Timeline, rng: np.random.Generator) -> World:
    """Draw what all branches share: regional leanings, seasons and campaigns."""
    choice = config.choice
    peaks = np.array([category.season for category in CATEGORIES])
    apart = np.abs((timeline.months[:, None] + 1 - peaks + 6) % 12 - 6)
    wave = np.exp(-0.5 * (apart / SEASON_MONTHS) ** 2) * (peaks > 0)
    starts = np.zeros((len(timeline), len(SEGMENTS), len(CATEGORIES)))
    chosen = rng.integers(0, len(CATEGORIES), starts.shape[:2])
    begun = rng.uniform(size=starts.shape[:2]) < CAMPAIGN_RATE
    np.put_along_axis(starts, chosen[:, :, None], begun[:, :, None], axis=2)
    running = sum(np.pad(starts, ((late, 0), (0, 0), (0, 0)))[: len(timeline)] for late in range(CAMPAIGN_STEPS))
    return World(
        choice=choice,
        timeline=timeline,
        brand_leaning=choice.brand_region * rng.normal(size=(len(REGIONS), len(BRANDS))),
        style_of_situation=rng.normal(size=(len(SITUATION), STYLES)),
        season=choice.season * (wave - wave.mean(axis=0)),
        campaign=choice.campaign * np.minimum(running, 1),
    )


@dataclass(frozen=True)
class Hidden:
    """What no table shows of a branch's customers."""

    style: Array
    """[num_customers, STYLES]."""
    need: Array
    """[num_customers, num_categories]."""


def draw_hidden(count: int, choice: ChoiceConfig, rng: np.random.Generator) -> Hidden:
    """Draw the part of the tastes and needs that only deeds reveal."""
    return Hidden(rng.normal(size=(count, STYLES)), choice.hidden_need * rng.normal(size=(count, len(CATEGORIES))))


@dataclass(frozen=True)
class Tastes:
    """The part of the utility that lasts until the customers' next rows."""

    product: Array
    """float32, [num_customers, num_products]."""
    category: Array
    """float32, [num_customers, num_categories]."""
    inertia: Array
    """Utility of taking nothing, float32, [num_customers]."""
    curiosity: Array
    """Chance of a new interest in a step, [num_customers]."""
    segment: Array
    """Position in SEGMENTS, [num_customers]."""
    suitable: Array
    """What the policy allows, bool, [num_customers, num_products]."""


@dataclass
class State:
    """What changes from step to step."""

    active: Array
    """Who has joined and not left, bool, [num_customers]."""
    held: Array
    """bool, [num_customers, num_products]."""
    since: Array
    """The step in which a held product was taken, int16, [num_customers, num_products]."""
    interest: Array
    """0-1, float32, [num_customers, num_products]."""
    ended: Array
    """How lately a product of the category ended, 0-1, float32, [num_customers, num_categories]."""

    @classmethod
    def empty(cls, customers: int, products: int) -> State:
        """Return the state before anyone has joined."""
        shape = (customers, products)
        return cls(
            np.zeros(customers, bool),
            np.zeros(shape, bool),
            np.zeros(shape, np.int16),
            np.zeros(shape, np.float32),
            np.zeros((customers, len(CATEGORIES)), np.float32),
        )

    def copy(self) -> State:
        """Return a state that changes on its own."""
        return State(self.active.copy(), self.held.copy(), self.since.copy(), self.interest.copy(), self.ended.copy())


class Market:
    """The choices that one branch's assortment offers."""

    def __init__(self, world: World, catalogue: BankProducts) -> None:
        self.world = world
        self.catalogue = catalogue
        self.category = catalogue.category
        self._firsts = np.flatnonzero(np.diff(self.category, prepend=-1))
        self._sizes = np.diff(self._firsts, append=len(catalogue)).astype(np.float32)
        brands = self.category * len(BRANDS) + catalogue.brand
        self._brand_firsts = np.flatnonzero(np.diff(brands, prepend=-1))
        self._brand_group = np.cumsum(np.diff(brands, prepend=-1) != 0) - 1
        self._attributes = catalogue.attributes
        self._invests = np.array([one.invests for one in CATEGORIES])[self.category]
        self._base = np.array([one.base for one in CATEGORIES], np.float32)
        self._repeat = np.array([one.repeat for one in CATEGORIES], np.float32)

    def tastes(self, people: People, hidden: Hidden) -> Tastes:
        """Return what lasts until the people's next rows."""
        choice, products = self.world.choice, self.catalogue
        x = situation(people)
        weights = self.world.style_of_situation
        explained = x @ weights
        explained *= EXPLAINED_STYLE / np.sqrt(np.square(weights).sum(axis=0) * np.square(x).mean())
        style = explained + np.sqrt(1 - EXPLAINED_STYLE**2) * hidden.style
        gap = np.abs(people.risk_tolerance[:, None] - products.risk_level) * self._invests
        burden = 1000 * products.annual_fee / np.maximum(people.income, 6_000)[:, None]
        product = choice.attribute_taste * (x @ TASTES @ self._attributes.T)
        product += choice.style_taste * (style @ products.style.T).astype(np.float32)
        product += self.world.brand_leaning[people.region][:, products.brand].astype(np.float32)
        product -= (choice.risk_misfit * gap + choice.fee_burden * burden).astype(np.float32)
        return Tastes(
            product=product,
            category=(self._base + choice.need * (x @ NEEDS) + hidden.need).astype(np.float32),
            inertia=(choice.inertia - choice.activity * (2 * people.digital_engagement - 1)).astype(np.float32),
            curiosity=choice.interest_rate * (0.5 + people.digital_engagement),
            segment=people.segment,
            suitable=(people.risk_tolerance[:, None] >= products.risk_level)
            & (people.income[:, None] >= products.min_income)
            & (people.age[:, None] >= products.min_age)
            & (people.savings[:, None] >= products.min_deposit),
        )

    def popularity(self, step: int) -> Array:
        """Return the drifting popularity in the middle of a step, -inf before the launch, [num_products]."""
        bounds = self.world.timeline.bounds
        middle = (bounds[step] + bounds[step + 1]) / 2
        popularity = self.catalogue.popularity_at(middle, self.world.choice.drift_months * DAYS_PER_MONTH)
        return np.where(self.catalogue.launched <= bounds[step], popularity, np.float32(-np.inf))

    def counts(self, held: Array) -> Array:
        """Return how many products of each category are held, float32, [num_customers, num_categories]."""
        return np.add.reduceat(held, self._firsts, axis=1, dtype=np.float32)

    def permitted(self, tastes: Tastes, held: Array, kept: Array, active: Array) -> Array:
        """Return what each customer may take, bool, [num_customers, num_products].

        Args:
            tastes: With what the policy allows.
            held: What is held at the beginning of the step.
            kept: What of it is still held at its end: a prerequisite must be.
            active: Who may choose at all.
        """
        met = (self.counts(kept)[:, REQUIRED] > 0) | (REQUIRED < 0)
        return tastes.suitable & ~held & met[:, self.category] & active[:, None]

    def probabilities(self, tastes: Tastes, state: State, kept: Array, step: int) -> Array:
        """Return the probability that each customer takes each product in a step, [num_customers, num_products].

        A row sums to at most 1; the rest is the probability of taking nothing.
        """
        choice = self.world.choice
        loyal = np.logical_or.reduceat(state.held, self._brand_firsts, axis=1)[:, self._brand_group]
        utility = tastes.product + self.popularity(step) + choice.interest * state.interest
        utility += np.float32(choice.brand_loyalty) * loyal
        permitted = self.permitted(tastes, state.held, kept, state.active)
        weight = np.where(permitted, np.exp(utility / np.float32(choice.similarity)), np.float32(0))
        total = np.add.reduceat(weight, self._firsts, axis=1)
        counts = self.counts(state.held)
        need = tastes.category + (self.world.season[step] + self.world.campaign[step][tastes.segment])
        need = need + choice.complement * (np.minimum(counts, 1) @ LEADS_TO) + self._repeat * counts
        need = need + choice.renewal * state.ended
        nest = np.exp(need) * (total / self._sizes) ** choice.similarity
        share = nest / (np.exp(tastes.inertia) + nest.sum(axis=1))[:, None]
        return weight * (share / np.where(total > 0, total, 1))[:, self.category]

"""The months that follow a simulated bank's cutoff, lived by the simulation's own steps; each seed is another future.

Seasons go on, campaigns and waves of popularity are drawn again, everyone grows older, and new customers join at the
rate of the history.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np

from nextbest.data.bank import BankConfig
from nextbest.data.bank.config import Timeline, make_timeline
from nextbest.data.bank.population import People, draw_people
from nextbest.data.bank.simulation import EVENT_NAMES, Diary, Situation, live_step, refresh
from nextbest.data.bank.utility import Hidden, Market, State, World, draw_hidden, draw_world
from nextbest.data.bank.write import DrawnBank, customer_table, draw_bank, run_branch
from nextbest.data.dataset import (
    ACQUIRE,
    ALWAYS,
    RELEASE,
    SIGNAL,
    Array,
    Dataset,
    EntityTable,
    Features,
    Interactions,
    positions_of,
)
from nextbest.data.snapshot import take_snapshot
from nextbest.data.tables.load import load_dataset
from nextbest.graph.query import raw_request
from nextbest.pipeline.config import RunConfig
from nextbest.serving.monitoring.training_statistics import is_demand
from nextbest.serving.recommender import Recommender

__all__ = ["Bank", "Future", "Month", "rebuild_bank"]

_KINDS = {"view": SIGNAL, "open": ACQUIRE, "close": RELEASE}
_JOINING = 0.0136
"""The customers who join in a month, as a share of all: after the opening 45 % join in 33 months."""


@dataclass(frozen=True)
class Bank:
    """A simulated bank as it was on the cutoff."""

    config: BankConfig
    drawn: DrawnBank
    branches: tuple[tuple[Array, Market, Situation], ...]
    """Of each branch its customers' ids, its assortment and its situation."""
    history: Dataset
    """Its tables up to the cutoff."""
    run: RunConfig


def rebuild_bank(config: BankConfig, run: RunConfig, folder: Path) -> Bank:
    """Simulate a bank again from its seed.

    Args:
        config: The bank.
        run: The config of the models that were trained on it.
        folder: Where its tables lie.

    Raises:
        SystemExit: The tables are those of another bank.
    """
    drawn = draw_bank(config)
    history = load_dataset(run.data, folder).until(drawn.world.timeline.cutoff)
    branches, opened = [], 0
    for number in range(len(drawn.seeds)):
        ids, market, branch, _ = run_branch(config, drawn, number)
        branches.append((ids, market, branch.at_cutoff))
        opened += int(np.sum(branch.events.day <= drawn.world.timeline.cutoff))
    if opened != len(history.interactions):
        raise SystemExit(
            f"{folder} holds another bank than {config}: name its --branch-size, and leave its tables alone"
        )
    return Bank(config, drawn, tuple(branches), history, run)


@dataclass(frozen=True)
class Month:
    """What a bank knows at the end of a month."""

    day: int
    """Its first day, as of which the customers are, days since 1970-01-01."""
    ids: Array
    requests: Features
    events: Interactions
    """What these customers ever did, in positions of `ids` and of the export's products."""


@dataclass
class _Branch:
    """A branch in its future."""

    name: str
    ids: Array
    market: Market
    now: Situation
    joining: Array
    """The step in which each customer joins, -1 for those who have, [num_customers]."""
    row_day: Array
    """The day of each customer's newest row."""

    def copy(self) -> _Branch:
        return replace(self, now=self.now.copy(), row_day=self.row_day.copy())


class Future:
    """One future of a bank, a month after the other."""

    def __init__(self, bank: Bank, recommender: Recommender, months: int, seed: int) -> None:
        self._bank, self._recommender = bank, recommender
        self._rng = np.random.default_rng([bank.config.seed, seed])
        self.step = bank.drawn.world.timeline.cutoff_step
        world = _later_world(bank, months, self._rng)
        self.timeline = world.timeline
        bump_day = self._rng.uniform(self.timeline.cutoff, self.timeline.bounds[-1], len(bank.drawn.catalogue))
        bump_height = bank.config.choice.drift * self._rng.uniform(-2, 2, len(bump_day))
        waves = {one: wave for one, *wave in zip(bank.drawn.catalogue.ids, bump_day, bump_height, strict=True)}
        self._branches = [
            _later_branch(f"B{number:02d}", *branch, bank, world, waves, self._rng)
            for number, branch in enumerate(bank.branches, start=1)
        ]
        self._all_ids = np.sort(np.concatenate([branch.ids for branch in self._branches]))
        self._events = bank.history.interactions[:0]

    @property
    def product_ids(self) -> Array:
        """The export's products."""
        return self._recommender.products.ids

    def last_month(self, month: Month) -> Array:
        """Return how often each product was opened and looked at in the month before, [num_products]."""
        known = _joined(self._bank.history.interactions, self._events)
        lately = known.between(int(self.timeline.bounds[self.step - 1]), month.day)
        lately = lately[is_demand(lately)]
        return np.bincount(lately.product, minlength=len(self.product_ids))

    def months(self) -> Iterator[Month]:
        """Live on, and yield each month at its end."""
        for step in range(self.step, len(self.timeline)):
            self.step = step
            if self.timeline.refresh[self.step] and self.step > self.timeline.cutoff_step:
                for branch in self._branches:
                    branch.row_day[branch.now.state.active] = self.timeline.bounds[self.step]
                    branch.now = refresh(branch.market, branch.now, self.step, self._rng)
            self._before = [branch.copy() for branch in self._branches]
            events = self._live(self._branches, self._rng)
            month = self._month(events)
            yield month
            self._events = _joined(self._events, events)

    def otherwise(self, rng: np.random.Generator, needs: Array | float = 0.0, withdrawn: str | None = None) -> Month:
        """Live the month that was yielded last again, with other tastes or without a product.

        Args:
            rng: Source of what happens.
            needs: What is added to the utility of each category, [num_categories].
            withdrawn: The id of a product that is neither sold nor shown any more.
        """
        branches = [branch.copy() for branch in self._before]
        for branch in branches:
            tastes = branch.now.tastes
            branch.now = replace(
                branch.now, tastes=replace(tastes, category=(tastes.category + needs).astype(np.float32))
            )
            product = np.flatnonzero(branch.market.catalogue.ids == withdrawn)
            launched = branch.market.catalogue.launched.copy()
            launched[product] = np.iinfo(np.int64).max
            branch.market = Market(branch.market.world, replace(branch.market.catalogue, launched=launched))
            branch.now.state.interest[:, product] = 0
        return self._month(self._live(branches, rng))

    def _live(self, branches: list[_Branch], rng: np.random.Generator) -> Interactions:
        """Live one step; return what happened, in positions of all customers and of the export's products."""
        parts = []
        for branch in branches:
            diary = Diary(self.timeline.bounds, rng)
            live_step(branch.market, branch.now, self.step, branch.joining == self.step, diary, rng)
            found = diary.events()
            kind = np.array([_KINDS[name] for name in EVENT_NAMES], np.int8)[found.event]
            products = self._recommender.products.positions(branch.market.catalogue.ids)[found.product]
            customers = positions_of(branch.ids, self._all_ids)[found.customer]
            known = products >= 0
            parts.append((customers[known], products[known], found.day[known], kind[known]))
        customer, product, day, kind = (np.concatenate(column) for column in zip(*parts, strict=True))
        events = Interactions(
            customer.astype(np.int32),
            product.astype(np.int32),
            day.astype(np.int32),
            kind,
            np.ones(len(day), np.float32),
        )
        return events[np.argsort(day, kind="stable")]

    def _month(self, events: Interactions) -> Month:
        day = int(self.timeline.bounds[self.step])
        ids, columns = self._customers(day)
        rows = positions_of(ids, self._all_ids)
        order = np.argsort(rows)
        ids, rows, columns = ids[order], rows[order], {name: values[order] for name, values in columns.items()}
        spread = {name: _spread(values, rows, len(self._all_ids)) for name, values in columns.items()}
        count, products = len(self._all_ids), self._bank.history.products
        table = EntityTable(self._all_ids, np.arange(count, dtype=np.int32), np.full(count, ALWAYS, np.int32), spread)
        known = _joined(self._bank.history.interactions, self._events)
        snapshot = take_snapshot(Dataset(table, products, known), day, self._bank.run.data.windows)
        lists = self._recommender.history_lists
        requests = raw_request(snapshot, products.ids, self._recommender.customer_columns, lists, rows)
        ever = _joined(known, events)
        place = positions_of(ever.customer, rows)
        return Month(day, ids, requests, replace(ever, customer=place.astype(np.int32))[place >= 0])

    def _customers(self, day: int) -> tuple[Array, Features]:
        parts = []
        for branch in self._before:
            who = np.flatnonzero((branch.joining < self.step) & (branch.now.people.joined <= day))
            table = customer_table(branch.ids[who], branch.name, branch.row_day[who], branch.now.people.take(who))
            parts.append({name: table[name].to_numpy(zero_copy_only=False) for name in table.column_names})
        joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        columns = {name: _as_feature(joined[name]) for name in self._recommender.customer_columns}
        return joined["customer_id"].astype(object), columns


def _as_feature(values: Array) -> Array:
    if values.dtype.kind == "M":
        return values.astype("datetime64[D]").astype(np.int64).astype(np.float32)
    return values if values.dtype == object and isinstance(values[0], str) else values.astype(np.float32)


def _spread(values: Array, rows: Array, count: int) -> Array:
    empty = np.full(count, "", object) if values.dtype == object else np.full(count, np.nan, np.float32)
    empty[rows] = values
    return empty


def _joined(first: Interactions, second: Interactions) -> Interactions:
    return Interactions(
        *(np.concatenate([getattr(one, field.name) for one in (first, second)]) for field in fields(Interactions))
    )


def _later_world(bank: Bank, months: int, rng: np.random.Generator) -> World:
    """Return the world with so many more months, whose campaigns are drawn."""
    known, config = bank.drawn.world, bank.config
    steps = known.timeline.cutoff_step + months
    length = config.horizon_days / max(1, len(known.timeline) - known.timeline.cutoff_step)
    longer: Timeline = make_timeline(config.model_copy(update={"years": (steps + 0.01) * length / 365.25}))
    every = config.refresh_months
    later = replace(
        longer,
        cutoff_step=known.timeline.cutoff_step,
        refresh=(np.arange(len(longer)) - known.timeline.cutoff_step) % every == 0,
    )
    drawn = draw_world(config, later, rng)
    return replace(drawn, brand_leaning=known.brand_leaning, style_of_situation=known.style_of_situation)


def _later_branch(
    name: str,
    ids: Array,
    market: Market,
    now: Situation,
    bank: Bank,
    world: World,
    waves: Mapping[str, Sequence[float]],
    rng: np.random.Generator,
) -> _Branch:
    """Return a branch on the cutoff, with those who will join, and with a later wave of each product's popularity."""
    known, timeline = market.catalogue, world.timeline
    days, heights = np.array([waves[one] for one in known.ids]).T
    catalogue = replace(
        known,
        bump_day=np.column_stack([known.bump_day, days]),
        bump_height=np.column_stack([known.bump_height, heights]),
    )
    later = Market(world, catalogue)
    region, parts, hidden, joining = now.people.region[0], [now.people], [now.hidden], [np.full(len(ids), -1)]
    for step in range(timeline.cutoff_step, len(timeline)):
        count = int(rng.poisson(_JOINING * len(ids)))
        bounds = timeline.bounds[step : step + 2]
        one_step = Timeline(bounds, 1, np.ones(1, bool), timeline.months[step : step + 1])
        parts.append(draw_people(count, np.full(count, region), one_step, rng))
        hidden.append(draw_hidden(count, bank.config.choice, rng))
        joining.append(np.full(count, step))
    people = People(**{one.name: np.concatenate([getattr(part, one.name) for part in parts]) for one in fields(People)})
    secret = Hidden(*(np.concatenate([getattr(part, one.name) for part in hidden]) for one in fields(Hidden)))
    state = State.empty(len(people), len(catalogue))
    for one in fields(State):
        getattr(state, one.name)[: len(ids)] = getattr(now.state, one.name)
    new = [f"N{name}{place:05d}" for place in range(len(people) - len(ids))]
    customers = bank.history.customers
    newest = customers.row_day[customers.rows_at(timeline.cutoff)[customers.positions(ids)]]
    return _Branch(
        name=name,
        ids=np.concatenate([ids, np.array(new, object)]),
        market=later,
        now=Situation(people, secret, later.tastes(people, secret), state),
        joining=np.concatenate(joining),
        row_day=np.concatenate([newest, people.joined[len(ids) :]]),
    )

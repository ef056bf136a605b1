"""Take the training's statistics for the export: as of the cutoff, and how much they usually change."""

from __future__ import annotations

import numpy as np

from nextbest.data.dataset import Array, Dataset, Features, positions_of
from nextbest.data.snapshot import take_snapshot
from nextbest.graph.query import raw_request
from nextbest.pipeline.run import Run
from nextbest.serving.monitoring.checks import psi
from nextbest.serving.monitoring.customers import describe_inputs, describe_scores, recommend_all
from nextbest.serving.monitoring.training_statistics import (
    KINDS,
    Activity,
    Distribution,
    TrainingStatistics,
    is_demand,
)
from nextbest.serving.recommender import Recommender, product_categories
from nextbest.serving.requests import draw_rows, take

__all__ = ["take_statistics"]

_USUAL_DAYS = 365
"""How long before the cutoff the customers are with whom usual change is measured: seasons and birthdays count once."""
_STRIDES = 12
_STRIDES_OF_PRODUCTS = 3
_SCORED = 2_000
"""Of more customers so many are drawn to count what is recommended first."""
_ALIKE = 0.25
"""What grows alike for all customers differs by so little of it between the tenth and the nine tenths of them."""
_SEED = 0


def take_statistics(run: Run, recommender: Recommender, requests: Features) -> TrainingStatistics:
    """Return the statistics of a run's customers, of what they are recommended and of what they did.

    Args:
        run: The run.
        recommender: The composite.
        requests: Raw requests of all customers as of the cutoff, [num_customers, ...].
    """
    history, day = run.history, run.windows.test.cutoff
    stride = run.config.data.windows.stride_days
    usual_days = min(_USUAL_DAYS, (day - int(history.interactions.day[0])) // 2)
    earlier = _requests_of(run, recommender, day - usual_days)
    now, then = (
        describe_inputs(recommender, asked, np.ones(len(asked["as_of_day"]), bool)) for asked in (requests, earlier)
    )
    growth = _growth_per_day(run, day - usual_days)
    inputs = {
        name: Distribution.from_values(values).model_copy(update={"per_day": growth.get(name, 0.0)})
        for name, values in now.items()
    }
    inputs = {name: _with_usual(counted, then[name], -usual_days) for name, counted in inputs.items()}
    for lag in range(stride, usual_days, stride):
        inputs = _with_columns_then(recommender, history, inputs, day, lag)
    scores = {name: Distribution.from_values(values) for name, values in _scores(recommender, requests).items()}
    scores |= {name: _with_usual(scores[name], values, 0) for name, values in _scores(recommender, earlier).items()}
    return TrainingStatistics(
        day=day,
        usual_days=usual_days,
        customers=len(requests["as_of_day"]),
        new_customers=len(requests["as_of_day"]) - len(earlier["as_of_day"]),
        inputs=inputs,
        scores=scores,
        activity=_activity(history, day, stride, product_categories(recommender)),
    )


def _requests_of(run: Run, recommender: Recommender, day: int) -> Features:
    """Return the raw requests of the customers who were known on a day."""
    history = run.history
    rows = np.flatnonzero(history.customers.rows_at(day) >= 0)
    snapshot = take_snapshot(history, day, run.config.data.windows)
    columns, lists = recommender.customer_columns, recommender.history_lists
    return raw_request(snapshot, history.products.ids, columns, lists, rows)


def _with_columns_then(
    recommender: Recommender, history: Dataset, inputs: dict[str, Distribution], day: int, lag: int
) -> dict[str, Distribution]:
    """Take into account how the columns were so many days before: some are only written every few months."""
    rows = np.flatnonzero(history.customers.rows_at(day - lag) >= 0)
    columns = history.customers.at(day - lag)
    request = {name: columns[name][rows] for name in recommender.customer_columns}
    request |= {"as_of_day": np.full(len(rows), day - lag), "held_products": np.full((len(rows), 0), "", object)}
    then = describe_inputs(recommender, request, np.zeros(len(rows), bool))
    return inputs | {name: _with_usual(inputs[name], then[name], -lag) for name in recommender.customer_columns}


def _scores(recommender: Recommender, requests: Features) -> dict[str, Array]:
    rows = draw_rows(len(requests["as_of_day"]), _SCORED, _SEED)
    if not len(rows):
        return {}
    return describe_scores(recommender, recommend_all(recommender, take(requests, rows), 1))


def _growth_per_day(run: Run, earlier: int) -> dict[str, float]:
    """Return the columns that grow alike for all customers, as an age does, and by how much in a day.

    Numbers have grown from one dated row to a later one; a date is an age by the day of the request.
    """
    table, day = run.history.customers, run.windows.test.cutoff
    newest, before = table.rows_at(day), table.rows_at(earlier)
    newest, before = newest[before >= 0], before[before >= 0]
    between_rows = table.row_day[newest].astype(np.int64) - table.row_day[before]
    found = {}
    for name, column in run.config.data.customers.columns.items():
        if column.role not in ("number", "date"):
            continue
        values, days = table.columns[name], between_rows
        change = values[newest] - values[before]
        if column.role == "date":
            change, days = day - earlier - change, np.full(len(change), day - earlier)
        dated = (days > 0) & np.isfinite(change)
        found[name] = _alike(change[dated] / days[dated])
    return found


def _alike(rates: Array) -> float:
    """Return the rate that nearly all share, 0 where they differ."""
    if not len(rates):
        return 0.0
    low, middle, high = np.quantile(rates, (0.1, 0.5, 0.9))
    return float(middle) if high - low < _ALIKE * abs(middle) else 0.0


def _with_usual(now: Distribution, then: Array, days: int) -> Distribution:
    """Take into account by how much earlier values differ."""
    before = now.compared(now.count(then, days)[0])
    usual = psi(now.compared(np.array(now.counts)), before)
    return now.model_copy(update={"usual": max(now.usual, usual)})


def _activity(history: Dataset, day: int, stride: int, category_of: Array) -> Activity:
    """Count the events of the last strides, of customers who were known when the stride began."""
    events, customers = history.interactions, history.customers
    strides = min(_STRIDES, (day - int(events.day[0])) // stride)
    since = np.full(len(customers), np.iinfo(np.int32).max)
    np.minimum.at(since, customers.row_entity, customers.row_day)
    number = strides - 1 - (day - events.day) // stride
    known = (number >= 0) & (since[events.customer] <= day - (strides - number) * stride)
    events, number = events[known], number[known]
    categories = np.unique(category_of.astype(str))
    category = positions_of(category_of, categories.astype(object))[events.product]
    shape = strides, len(categories)

    def count(rows: Array) -> tuple[tuple[int, ...], ...]:
        cells = number[rows] * len(categories) + category[rows]
        return tuple(map(tuple, np.bincount(cells, minlength=shape[0] * shape[1]).reshape(shape).tolist()))

    products = [
        np.bincount(events.product[(number == one) & is_demand(events)], minlength=len(history.products)).tolist()
        for one in range(max(0, strides - _STRIDES_OF_PRODUCTS), strides)
    ]
    return Activity(
        stride_days=stride,
        customers=tuple(int(np.sum(since <= day - back * stride)) for back in range(strides, 0, -1)),
        categories=tuple(categories.tolist()),
        events={what: count(events.kind == kind) for what, kind in KINDS.items() if (events.kind == kind).any()},
        products=tuple(map(tuple, products)),
    )

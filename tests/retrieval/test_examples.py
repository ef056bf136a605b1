"""The examples of the tiny bank of tests.worlds, whose events are all listed there."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from nextbest.data.dataset import ACQUIRE, ALWAYS, SIGNAL, Dataset
from nextbest.data.errors import InputError
from nextbest.data.snapshot import NO_PRODUCT, new_acquisitions, take_snapshot
from nextbest.data.statistics import StatisticsConfig, popularity_features
from nextbest.graph.catalogue import Encoders, encode_products, fit_encoders
from nextbest.retrieval.examples import TrainingSet, make_queries, make_training_set
from tests.retrieval.conftest import small_config
from tests.worlds import ANN, BOB, CARD, CAT, CONFIG, FUND, LOAN, PENSION, TINY, Tables

DAY = 90
WINDOWS = CONFIG.windows  # strides of 10 days


def encoders_of(history: Dataset, day: int = DAY) -> Encoders:
    return fit_encoders(history, day, CONFIG)


def examples_of(history: Dataset, day: int = DAY, **changes: float) -> TrainingSet:
    config = small_config(training_windows=20, recency_half_life_days=10.0, **changes)
    return make_training_set(history, day, encoders_of(history, day), WINDOWS, StatisticsConfig(), config)


@pytest.fixture(scope="module")
def history() -> Dataset:
    return TINY.dataset().until(DAY)


@pytest.fixture(scope="module")
def examples(history: Dataset) -> TrainingSet:
    return examples_of(history)


def listed(examples: TrainingSet) -> list[tuple[int, int, int]]:
    """(stride, customer, product) of each example."""
    queries = examples.queries
    return [
        (int(window), int(queries.customers[query]), int(product))
        for window, query, product in zip(examples.window, queries.query, queries.product, strict=True)
    ]


EXPECTED = [
    (0, ANN, PENSION),  # day 90, from the snapshot of day 80
    (1, BOB, CARD),  # 80, from 70: released on day 70, so that it is new again
    (2, ANN, LOAN),  # 60, from 50; nothing was acquired in the stride from 60 to 70
    (3, BOB, FUND),  # 50, from 40
    (3, CAT, CARD),
    (4, BOB, LOAN),  # 40, from 30
    (5, ANN, CARD),  # 30, from 20: new again
    (6, BOB, CARD),  # 15, from 10; the stride from 0 would begin before the first interaction
]


def test_each_new_acquisition_is_predicted_from_the_start_of_its_stride(examples: TrainingSet) -> None:
    assert listed(examples) == EXPECTED


def test_only_so_many_strides_are_looked_back(history: Dataset) -> None:
    config = small_config(training_windows=3)
    examples = make_training_set(history, DAY, encoders_of(history), WINDOWS, StatisticsConfig(), config)
    assert listed(examples) == EXPECTED[:2]  # days 61 to 90


def test_weights_halve_with_age_and_are_1_on_average(examples: TrainingSet) -> None:
    # Half-life 10 days; the strides end on days 90, 80, 60, 50, 50, 40, 30 and 20.
    weight = np.array([1, 1 / 2, 1 / 8, 1 / 16, 1 / 16, 1 / 32, 1 / 64, 1 / 128])
    np.testing.assert_allclose(examples.weight, weight / weight.mean(), rtol=1e-6)


def test_an_interaction_has_its_own_weight_too(history: Dataset) -> None:
    heavy = np.where(history.interactions.product == CARD, 3.0, 1.0).astype(np.float32)
    weighted = dataclasses.replace(history, interactions=dataclasses.replace(history.interactions, weight=heavy))
    recency = np.array([1, 1 / 2, 1 / 8, 1 / 16, 1 / 16, 1 / 32, 1 / 64, 1 / 128])
    weight = recency * [1, 3, 1, 1, 3, 1, 3, 3]  # the cards among EXPECTED
    np.testing.assert_allclose(examples_of(weighted).weight, weight / weight.mean(), rtol=1e-6)


def test_held_products_are_predicted_from_the_others(history: Dataset) -> None:
    held = take_snapshot(history, DAY, WINDOWS).held
    wanted = {
        (customer, int(product))
        for customer in (ANN, BOB, CAT)
        for product in held.products[customer]
        if product != NO_PRODUCT and (held.products[customer] != NO_PRODUCT).sum() > 1
    }
    examples = examples_of(history, leave_one_out=0.5)
    number = examples.window.max()  # they come behind the strides
    assert number == 7
    left_out = [(customer, product) for window, customer, product in listed(examples) if window == number]
    assert len(left_out) == len(wanted) > 0
    assert set(left_out) == wanted
    queries = examples.queries
    for query, product in zip(queries.query, queries.product, strict=True):
        assert product not in queries.encoded["held"][query]
    for row in np.flatnonzero(examples.window == number):
        query, customer = queries.query[row], queries.customers[queries.query[row]]
        read = held.products[customer, : WINDOWS.max_holdings]  # the newest
        others = set(read) - {queries.product[row], NO_PRODUCT}
        assert set(queries.encoded["held"][query]) - {NO_PRODUCT} == others
        assert queries.product[row] not in queries.encoded["recent"][query]


def test_no_more_held_products_than_wanted(history: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nextbest.retrieval.examples._LEAVE_ONE_OUT_EXAMPLES", 2)
    examples = examples_of(history, leave_one_out=0.5)
    assert (examples.window == 7).sum() == 2


def test_frequencies_are_the_shares_in_a_stride(examples: TrainingSet) -> None:
    np.testing.assert_allclose(examples.frequency.sum(axis=1), 1.0)
    shares = np.zeros((7, 5))
    for window, product in [(0, PENSION), (1, CARD), (2, LOAN), (4, LOAN), (5, CARD), (6, CARD)]:
        shares[window, product] = 1
    shares[3, [CARD, FUND]] = 0.5
    np.testing.assert_allclose(examples.frequency, shares)


def test_a_product_that_was_not_yet_known_is_marked(examples: TrainingSet) -> None:
    # The pension is known from day 60 on: in the strides from 80 and 70.
    assert examples.available[:, PENSION].tolist() == [True, True, False, False, False, False, False]
    assert examples.available[:, [CARD, FUND, LOAN]].all()


def test_a_query_knows_what_was_held_and_seen_at_the_start_of_its_stride(examples: TrainingSet) -> None:
    row = 3  # bob on day 40
    assert (examples.queries.customers[row], examples.queries.product[row]) == (BOB, FUND)
    encoded = {name: values[row].tolist() for name, values in examples.queries.encoded.items()}
    # He holds the card since day 15; the loan of day 40 was closed on the same day, and is the latest he did.
    assert encoded["held"] == [CARD, NO_PRODUCT]
    assert encoded["held_age"] == [25.0, 0.0]
    assert encoded["recent"][0] == LOAN
    assert encoded["recent_age"][0] == 0.0


def test_positives_are_all_that_a_customer_takes_in_the_stride() -> None:
    values = (None,) * 7
    products = [(f"p{number}", ALWAYS, (None, None, None)) for number in range(4)]
    events = [
        (1, "c0", "p3", ACQUIRE),
        (12, "c0", "p2", ACQUIRE),
        (14, "c0", "p0", ACQUIRE),
        (15, "c0", "p2", ACQUIRE),  # the same again
        (16, "c0", "p3", ACQUIRE),  # already held
        (18, "c1", "p1", ACQUIRE),
    ]
    dataset = Tables(CONFIG, [("c0", ALWAYS, values), ("c1", ALWAYS, values)], products, events).dataset()
    snapshot = take_snapshot(dataset, 10, WINDOWS)
    queries = make_queries(snapshot, new_acquisitions(dataset, 10, 20), encoders_of(dataset, 20).query_encoder())
    assert queries.customers.tolist() == [0, 1]
    assert queries.positives.tolist() == [[2, 0], [1, NO_PRODUCT]]
    assert (queries.query.tolist(), queries.product.tolist()) == ([0, 0, 1], [2, 0, 1])


def test_products_are_described_as_of_the_start_of_the_stride(history: Dataset, examples: TrainingSet) -> None:
    state = encoders_of(history).products
    for window, after in enumerate([80, 70, 50, 40, 30, 20, 10]):
        encoded = encode_products(
            take_snapshot(history, after, WINDOWS), state, popularity_features(history, after, StatisticsConfig())
        )
        for name, values in encoded.items():
            np.testing.assert_array_equal(examples.products[name][window], values)


def test_later_events_change_no_query_of_a_stride(history: Dataset, examples: TrainingSet) -> None:
    """What is done within the stride and after it must not be seen by its queries."""
    kept = history.interactions[history.interactions.day <= 50]
    earlier = examples_of(dataclasses.replace(history, interactions=kept), 50)
    strides = examples.window >= 3
    assert listed(earlier) == [(window - 3, *rest) for window, *rest in EXPECTED[3:]]
    rows, others = examples.queries.query[strides], earlier.queries.query
    for name in ("held", "held_age", "recent", "recent_age"):
        ours, theirs = examples.queries.encoded[name][rows], earlier.queries.encoded[name][others]
        width = theirs.shape[1]
        np.testing.assert_array_equal(ours[:, :width], theirs)
        assert (ours[:, width:] == (0 if name.endswith("age") else NO_PRODUCT)).all()
    popularity = (values.products["floats"][:, :, -8:] for values in (examples, earlier))
    np.testing.assert_array_equal(next(popularity)[3:], next(popularity))


def test_without_any_acquisition_the_error_tells_what_to_check(history: Dataset) -> None:
    signals = dataclasses.replace(history.interactions, kind=np.full_like(history.interactions.kind, SIGNAL))
    for interactions in (signals, history.interactions[:0]):
        with pytest.raises(InputError, match=r"no acquisition in the [80] strides of 10 days.*interactions\.acquire"):
            examples_of(dataclasses.replace(history, interactions=interactions))

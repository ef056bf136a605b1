"""Two customers and three products by hand.

Products 0 and 1 are of family x, product 2 of family y. Risks are 1, 2, 3; minimum incomes 0, 100, 200. Customer A
(kind a) holds product 0 since today and product 2 since 60 days, and looked at product 1 today; B (kind unknown)
holds nothing and looked at product 2 sixty days ago. Recency fades by 1/e in 60 days.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pytest
import tensorflow as tf

from nextbest.data.config import DataConfig, EncoderConfig
from nextbest.data.dataset import Array
from nextbest.data.snapshot import NO_PRODUCT
from nextbest.data.sparse_table import SparseTable, cell_keys
from nextbest.data.statistics import StatisticsConfig
from nextbest.graph.encoders import EncoderState, NumberState
from nextbest.ranking.features import CATEGORY_DIM, CategoryCrosses, CrossFeatures, gap_columns
from tests.modelling.worlds import BANK
from tests.ranking.conftest import small_config

FADED = math.exp(-1)
PAIRS = StatisticsConfig().pairs


def number(mean: float, scale: float, transform: str = "none", kind: str = "number") -> NumberState:
    return NumberState(kind=kind, transform=transform, mean=mean, scale=scale, flag_missing=False)


CUSTOMERS = EncoderState(
    config=EncoderConfig(),
    numbers={"income": number(3.0, 2.0, "log1p"), "tolerance": number(3.0, 2.0)},
    categories={"kind": ("a", "b")},
    texts=(),
)
PRODUCTS = EncoderState(
    config=EncoderConfig(),
    numbers={"risk": number(2.0, 1.0), "min_income": number(100.0, 50.0)},
    categories={"family": ("x", "y")},
    texts=(),
)
QUERY = {
    "floats": tf.constant([[0.0, 1.0], [1.0, -1.0]]),  # log1p incomes 3 and 5, tolerances 5 and 1
    "categories": tf.constant([[1], [0]]),
    "held": tf.constant([[0, 2, NO_PRODUCT], [NO_PRODUCT] * 3]),
    "held_age": tf.constant([[0.0, 60.0, 0.0], [0.0, 0.0, 0.0]]),
    "recent": tf.constant([[1, NO_PRODUCT], [2, NO_PRODUCT]]),
    "recent_age": tf.constant([[0.0, 0.0], [60.0, 0.0]]),
}
# Row: held; column: candidate.
WEIGHTS = np.array([[0.0, 0.5, -2.0], [0.25, 0.0, 1.0], [-1.0, -0.75, 0.0]], np.float32)
STATE = {
    "floats": tf.constant([[-1.0, -2.0, 9.0], [0.0, 0.0, 9.0], [1.0, 2.0, 9.0]]),  # the last stands for popularity
    "categories": tf.constant([[1], [1], [2]]),
    "segments": tf.constant([[0.0, 0.0, 0.0], [0.1, 0.2, 0.3], [9.0, 9.0, 9.0]]),
    "pairs": tf.constant(np.stack([WEIGHTS, 10 * WEIGHTS])),
}
CANDIDATES = tf.constant([[1, 2], [0, 2]])
SCORES = tf.constant([[0.6, 0.4], [0.3, 0.2]])


def crosses(
    query: dict[str, tf.Tensor] | None = None,
    state: Mapping[str, tf.Tensor] = STATE,
    data: DataConfig = BANK,
    customers: EncoderState = CUSTOMERS,
    products: EncoderState = PRODUCTS,
) -> dict[str, Array]:
    """Return every cross by name, [batch, num_candidates]."""
    layer = CrossFeatures(customers, products, data, StatisticsConfig(), small_config(recency_days=60.0))
    features = layer({**QUERY, **(query or {})}, CANDIDATES, SCORES, state).numpy()
    assert features.shape[2] == len(layer.keys) == len(set(layer.keys))
    return {name: features[:, :, place] for place, name in enumerate(layer.keys)}


GOLDEN = {
    "retrieval_score": [[0.6, 0.4], [0.3, 0.2]],
    # A, candidate 1: 0.5 from product 0 and -0.75 from product 2; candidate 2: -2 and 0. B holds nothing.
    "ease_sum": [[-0.25, -2.0], [0.0, 0.0]],
    "ease_max": [[0.5, 0.0], [0.0, 0.0]],
    "ease_recent_sum": [[0.5 - 0.75 * FADED, -2.0], [0.0, 0.0]],
    # A saw product 1 today, B product 2 sixty days ago.
    "ease_seen_sum": [[0.0, 1.0], [-1.0 * FADED, 0.0]],
    "cosine_sum": [[-2.5, -20.0], [0.0, 0.0]],
    "cosine_max": [[5.0, 0.0], [0.0, 0.0]],
    "cosine_seen_sum": [[0.0, 10.0], [-10.0 * FADED, 0.0]],
    # The candidate itself among what was seen: A's first, B's second.
    "seen": [[1.0, 0.0], [0.0, FADED]],
    "held_count": [[math.log(3), math.log(3)], [0.0, 0.0]],  # log(1 + 2)
    # A holds product 0 of family x and product 2 of family y; candidate 1 is of x, candidate 2 of y.
    "held_in_family": [[math.log(2), math.log(2)], [0.0, 0.0]],
    "newly_held_in_family": [[math.log(2), math.log1p(FADED)], [0.0, 0.0]],
    "seen_in_family": [[math.log(2), 0.0], [0.0, math.log1p(FADED)]],
    # Kind a is row 1; B's kind is unknown, row 0.
    "segment_popularity": [[0.2, 0.3], [0.0, 0.0]],
    # Tolerances 5 and 1 less the risks 2, 3 and 1, 3.
    "tolerance - risk": [[3.0, 2.0], [0.0, -2.0]],
    # Incomes are on a log scale, so minimum incomes are put on it: log(101), log(201) and log(1).
    "income - min_income": [[3 - math.log(101), 3 - math.log(201)], [5.0, 5 - math.log(201)]],
}


@pytest.mark.parametrize("name", GOLDEN)
def test_golden(name: str) -> None:
    np.testing.assert_allclose(crosses()[name], GOLDEN[name], rtol=1e-5, atol=1e-6)


def test_a_candidate_that_was_closed_or_refused_says_so_and_how_lately() -> None:
    interactions = BANK.interactions.model_copy(update={"event": "event", "refuse": ("declined",)})
    events = {
        "refused": tf.constant([[2, NO_PRODUCT], [1, 2]]),  # the candidates are 1 and 2, and 0 and 2
        "refused_age": tf.constant([[0.0, 0.0], [5.0, 60.0]]),
        "closed": tf.constant([[1, NO_PRODUCT], [NO_PRODUCT, NO_PRODUCT]]),
        "closed_age": tf.constant([[60.0, 0.0], [0.0, 0.0]]),
    }
    found = crosses(events, data=BANK.model_copy(update={"interactions": interactions}))
    assert found["refused"].tolist() == [[0, 1], [0, 1]]
    np.testing.assert_allclose(found["newly_refused"], [[0, 1], [0, np.exp(-1)]], rtol=1e-6)
    assert found["closed"].tolist() == [[1, 0], [0, 0]]
    np.testing.assert_allclose(found["newly_closed"], [[np.exp(-1), 0], [0, 0]], rtol=1e-6)
    assert not {"closed", "refused"} & crosses().keys()


def test_every_kind_of_cross_has_a_golden_value() -> None:
    kinds = {name.replace(pair, "ease") for name in crosses() for pair in PAIRS if pair in name}
    others = {name for name in crosses() if not any(pair in name for pair in PAIRS)}
    assert kinds | others <= set(GOLDEN)


@pytest.mark.parametrize("name", GOLDEN)
def test_padding_of_the_lists_changes_nothing(name: str) -> None:
    longer = {
        key: tf.pad(QUERY[key], [[0, 0], [0, 4]], constant_values=NO_PRODUCT if key in ("held", "recent") else 33)
        for key in ("held", "held_age", "recent", "recent_age")
    }
    np.testing.assert_allclose(crosses(longer)[name], crosses()[name], rtol=1e-6)


def test_the_largest_weight_may_be_negative() -> None:
    # A list without padding and one with it must agree: padding is no holding with a weight of 0.
    for padding in ([], [NO_PRODUCT]):
        held = tf.constant([[2, *padding]] * 2)
        query = {"held": held, "held_age": tf.zeros(held.shape)}
        # Candidates 1 and 0 next to the held product 2: -0.75 and -1.
        np.testing.assert_allclose(crosses(query)["ease_max"], [[-0.75, 0.0], [-1.0, 0.0]])


def test_lists_of_no_length_are_empty_lists() -> None:
    nothing = {name: tf.zeros([2, 0], tf.int32) for name in ("held", "recent")}
    nothing |= {name: tf.zeros([2, 0]) for name in ("held_age", "recent_age")}
    for name, values in crosses(nothing).items():
        assert np.isfinite(values).all(), name
        if "held" in name or "seen" in name or "sum" in name or "max" in name:
            assert not values.any(), name


def tables_for(arrays: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Return pairs and segments as sparse tables, in which a row's last column stands for all that is not stored."""
    tables = {}
    for name, dense in (("pairs", arrays["pairs"].numpy()), ("segments", arrays["segments"].numpy()[None])):
        values = np.moveaxis(dense, 0, 2)
        background = values[:, -1]
        row, column = np.nonzero((values != background[:, None]).any(axis=2))
        assert len(row) < values[:, :, 0].size
        table = SparseTable.from_cells(cell_keys(row, column), values[row, column], background)
        tables |= {part: tf.constant(values) for part, values in table.arrays(name).items()}
    return tables


@pytest.mark.parametrize("name", GOLDEN)
def test_sparse_tables_say_the_same(name: str) -> None:
    state = {key: values for key, values in STATE.items() if key not in ("pairs", "segments")}
    np.testing.assert_allclose(crosses(state=state | tables_for(STATE))[name], GOLDEN[name], rtol=1e-5, atol=1e-6)


def test_without_a_segment_its_popularity_is_0() -> None:
    assert not crosses(data=BANK.model_copy(update={"segment": None}))["segment_popularity"].any()


class TestGaps:
    def test_both_on_a_log_scale(self) -> None:
        products = PRODUCTS.model_copy(
            update={"numbers": {"risk": number(2.0, 1.0), "min_income": number(4.0, 0.5, "log1p")}}
        )
        # log1p minimum incomes are 4 + 0.5 * (-2, 0, 2) = 3, 4, 5.
        found = crosses(products=products)["income - min_income"]
        np.testing.assert_allclose(found, [[3.0 - 4.0, 3.0 - 5.0], [5.0 - 3.0, 5.0 - 5.0]], atol=1e-6)

    def test_both_as_they_are(self) -> None:
        customers = CUSTOMERS.model_copy(
            update={"numbers": {"income": number(150.0, 50.0), "tolerance": number(3.0, 2.0)}}
        )
        found = crosses(customers=customers)["income - min_income"]
        np.testing.assert_allclose(found, [[50.0, -50.0], [200.0, 0.0]])

    @pytest.mark.parametrize(
        "income", [number(0.5, 0.3, "quantile"), number(9.0, 1.0, kind="date"), number(0.5, 0.5, kind="boolean")]
    )
    def test_only_numbers_on_a_scale_are_subtracted(self, income: NumberState) -> None:
        customers = CUSTOMERS.model_copy(update={"numbers": {"income": income, "tolerance": number(3.0, 2.0)}})
        assert gap_columns(BANK, customers, PRODUCTS) == [("tolerance", "risk")]
        assert "income - min_income" not in crosses(customers=customers)


class TestCategoryCrosses:
    customer = tf.constant([[kind] for kind in (0, 1, 2)])
    product = tf.constant([[[family] for family in (0, 1, 2)]] * 3)

    def indices(self, buckets: int) -> Array:
        """Return the embedding's row that each of the nine pairs takes, [3, 3]."""
        layer = CategoryCrosses(CUSTOMERS, PRODUCTS, BANK, buckets)
        layer(self.customer, self.product)
        rows = layer.trainable_variables[0]
        rows.assign(np.tile(np.arange(rows.shape[0], dtype=np.float32)[:, None], CATEGORY_DIM))
        self.num_rows = rows.shape[0]
        return layer(self.customer, self.product).numpy()[:, :, 0].astype(int)

    def test_few_pairs_have_a_row_each(self) -> None:
        assert sorted(self.indices(buckets=4096).ravel()) == list(range(9))
        assert self.num_rows == 9

    def test_many_pairs_share_the_buckets(self) -> None:
        assert set(self.indices(buckets=4).ravel()) == {0, 1, 2, 3}
        assert self.num_rows == 4

    def test_two_crosses_have_rows_of_their_own(self) -> None:
        two = CUSTOMERS.model_copy(update={"categories": {"kind": ("a", "b"), "region": ("n",)}})
        layer = CategoryCrosses(two, PRODUCTS, BANK)
        customer = tf.constant([[2, 1]])
        layer(customer, self.product[:1])
        rows = layer.trainable_variables[0]
        assert rows.shape[0] == 3 * 3 + 2 * 3
        rows.assign(np.tile(np.arange(15, dtype=np.float32)[:, None], CATEGORY_DIM))
        found = layer(customer, self.product[:1]).numpy()[:, :, ::CATEGORY_DIM].astype(int)
        assert found[0].tolist() == [[6, 12], [7, 13], [8, 14]]  # 2 * 3 + family; 9 + 1 * 3 + family

    def test_the_policys_column_is_crossed_by_default(self) -> None:
        products = PRODUCTS.model_copy(update={"categories": {"family": ("x",), "brand": ("u", "v")}})
        both = CategoryCrosses(CUSTOMERS, products, BANK)
        assert both.output_dim == 2 * CATEGORY_DIM
        policy = BANK.policy.model_copy(update={"category_column": "brand"})
        one = CategoryCrosses(CUSTOMERS, products, BANK.model_copy(update={"policy": policy}))
        assert one.output_dim == CATEGORY_DIM

    def test_no_categories_give_no_features(self) -> None:
        none = CUSTOMERS.model_copy(update={"categories": {}})
        layer = CategoryCrosses(none, PRODUCTS, BANK)
        assert layer(self.customer, self.product).shape == [3, 3, 0]

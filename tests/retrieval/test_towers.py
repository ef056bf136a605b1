from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from nextbest.data.dataset import Array, Dataset
from nextbest.data.snapshot import NO_PRODUCT, take_snapshot
from nextbest.data.statistics import StatisticsConfig, popularity_features
from nextbest.graph.catalogue import encode_products, fit_encoders
from nextbest.graph.query import encode_customers
from nextbest.modelling.layers import MULTI_HOT_UP_TO, SeededDropout, step_variable
from nextbest.retrieval.model import TwoTowerModel
from nextbest.retrieval.towers import _RecencyPooling, pool_products
from tests.modelling.worlds import BANK
from tests.retrieval.conftest import DAY, small_config

CUSTOMERS = np.arange(20)


class Towers:
    """Towers that have seen one training batch, so that nothing in them is 0 or 1 any more."""

    def __init__(self, history: Dataset, **config: Any) -> None:
        tf.keras.utils.set_random_seed(1)
        encoders = fit_encoders(history, DAY, BANK)
        snapshot = take_snapshot(history, DAY, BANK.windows)
        popularity = popularity_features(history, DAY, StatisticsConfig())
        self.model = TwoTowerModel(encoders, popularity.shape[1], small_config(dropout=0.5, **config), seed=1)
        self.queries = encode_customers(snapshot, encoders.query_encoder(), CUSTOMERS)
        self.products = encode_products(snapshot, encoders.products, popularity)
        self.model.customer_tower(self.queries, training=True)
        self.embed_products(np.arange(20), training=True)

    def embed(self, **changes: Array) -> Array:
        return self.model.customer_tower({**self.queries, **changes}).numpy()

    def embed_products(self, ids: Array, **options: Any) -> Array:
        rows = {name: values[ids] for name, values in self.products.items()}
        return self.model.product_tower(tf.constant(ids, tf.int32), rows, **options).numpy()


@pytest.fixture(scope="module")
def towers(history: Dataset) -> Towers:
    return Towers(history)


def widen(values: Array, fill: float) -> Array:
    return np.pad(values, ((0, 0), (0, 5)), constant_values=fill).astype(values.dtype)


class TestCustomerTower:
    def test_embeddings_have_length_1(self, towers: Towers) -> None:
        embedded = towers.embed()
        assert embedded.shape == (20, 2 * 8)  # of two pairs
        np.testing.assert_allclose(np.linalg.norm(embedded, axis=1), 1.0, rtol=1e-5)

    def test_a_batch_of_one_equals_a_batch_of_many(self, towers: Towers) -> None:
        single = [towers.embed(**{name: values[[row]] for name, values in towers.queries.items()}) for row in CUSTOMERS]
        np.testing.assert_allclose(np.concatenate(single), towers.embed(), atol=1e-5)

    def test_the_embedding_is_a_function_of_named_features(self, towers: Towers) -> None:
        tower, served = towers.model.customer_tower, towers.model.customer_tower.served()
        features = served.features(towers.queries)
        np.testing.assert_allclose(served.embed(features), towers.embed(), atol=1e-6)
        named = tower.named_features()
        places = sorted(place for feature in named for place in feature.places)
        assert places == list(range(features.shape[1]))
        # Who holds nothing has nothing at the holdings' places, and the same elsewhere.
        nothing = {"held": np.full_like(towers.queries["held"], NO_PRODUCT)}
        changed = served.features({**towers.queries, **nothing}).numpy() != features.numpy()
        (held,) = (feature.places for feature in named if feature.name == "held")
        assert set(np.flatnonzero(changed.any(axis=0))) <= set(held)
        assert changed.any()

    @pytest.mark.parametrize("pairs", [1, 3])
    def test_they_are_served_as_they_were_trained(self, history: Dataset, pairs: int) -> None:
        towers = Towers(history, num_tower_pairs=pairs)
        served = towers.model.customer_tower.served()
        one_by_one = [pair.customer_tower.features(towers.queries) for pair in towers.model.tower_pairs]
        np.testing.assert_allclose(served.features(towers.queries), tf.concat(one_by_one, axis=1), atol=1e-6)
        for width in (0, 1, 5):
            queries = {name: towers.queries[name] for name in ("floats", "categories", "tokens")}
            for name in ("held", "recent"):
                queries[name] = towers.queries[name][:, :width]
                queries[f"{name}_age"] = towers.queries[f"{name}_age"][:, :width]
            np.testing.assert_allclose(served(queries), towers.model.customer_tower(queries), atol=1e-6)

    def test_longer_padding_changes_nothing(self, towers: Towers) -> None:
        longer = {name: widen(towers.queries[name], NO_PRODUCT) for name in ("held", "recent")}
        # The age of padding must not count, whatever it is.
        longer |= {name: widen(towers.queries[name], 77) for name in ("held_age", "recent_age")}
        np.testing.assert_allclose(towers.embed(**longer), towers.embed(), atol=1e-5)

    def test_the_order_of_holdings_does_not_matter(self, towers: Towers) -> None:
        backwards = {name: towers.queries[name][:, ::-1] for name in ("held", "held_age")}
        np.testing.assert_allclose(towers.embed(**backwards), towers.embed(), atol=1e-5)

    @pytest.mark.parametrize("width", [0, 3])
    def test_without_holdings_there_is_an_answer(self, towers: Towers, width: int) -> None:
        nothing = {name: np.full((20, width), NO_PRODUCT, np.int32) for name in ("held", "recent")}
        nothing |= {name: np.zeros((20, width), np.float32) for name in ("held_age", "recent_age")}
        embedded = towers.embed(**nothing)
        np.testing.assert_allclose(np.linalg.norm(embedded, axis=1), 1.0, rtol=1e-5)
        assert np.abs(embedded - towers.embed()).max() > 0.01

    def test_an_unknown_category_has_an_answer_of_its_own(self, towers: Towers) -> None:
        embedded = towers.embed(categories=np.zeros_like(towers.queries["categories"]))
        np.testing.assert_allclose(np.linalg.norm(embedded, axis=1), 1.0, rtol=1e-5)
        assert np.abs(embedded - towers.embed()).max() > 0.001

    @pytest.mark.parametrize("name", ["floats", "held", "held_age", "recent"])
    def test_every_input_counts(self, towers: Towers, name: str) -> None:
        changed = np.roll(towers.queries[name], 1, axis=0)
        assert np.abs(towers.embed(**{name: changed}) - towers.embed()).max() > 0.001

    def test_dropout_is_off_at_inference(self, towers: Towers) -> None:
        np.testing.assert_array_equal(towers.embed(), towers.embed())
        towers.model.step.assign_add(1)
        first = towers.embed()
        towers.model.step.assign_add(1)
        np.testing.assert_array_equal(towers.embed(), first)


class TestProductTower:
    def test_embeddings_have_length_1(self, towers: Towers) -> None:
        np.testing.assert_allclose(np.linalg.norm(towers.embed_products(np.arange(20)), axis=1), 1.0, rtol=1e-5)

    def test_a_batch_of_one_equals_a_batch_of_many(self, towers: Towers) -> None:
        single = np.concatenate([towers.embed_products(np.array([number])) for number in range(20)])
        np.testing.assert_allclose(single, towers.embed_products(np.arange(20)), atol=1e-5)

    def test_equal_attributes_do_not_make_products_alike(self, towers: Towers) -> None:
        same = {name: values[[0, 0]] for name, values in towers.products.items()}
        first, second = towers.model.product_tower(tf.constant([0, 1]), same).numpy()
        assert np.abs(first - second).max() > 0.001


class TestMembers:
    def test_the_similarity_is_the_mean_of_cosines_that_differ(self, towers: Towers) -> None:
        products = {name: tf.constant(values) for name, values in towers.products.items()}
        positions = tf.range(len(towers.products["floats"]))
        cosines = np.stack(
            [
                tf.matmul(pair.customer_tower(towers.queries), pair.product_tower(positions, products), False, True)
                for pair in towers.model.tower_pairs
            ]
        )
        together = towers.embed() @ towers.embed_products(positions.numpy()).T
        np.testing.assert_allclose(together, cosines.mean(axis=0), atol=1e-6)
        assert np.abs(cosines[0] - cosines[1]).max() > 0.1

    def test_one_member_is_its_towers(self, history: Dataset) -> None:
        alone = Towers(history, num_tower_pairs=1)
        [pair] = alone.model.tower_pairs
        np.testing.assert_array_equal(alone.embed(), pair.customer_tower(alone.queries))


@pytest.mark.parametrize("num_products", [MULTI_HOT_UP_TO, MULTI_HOT_UP_TO + 1])
def test_a_small_catalogues_pools_train_the_same_way_by_a_matrix_multiplication(num_products: int) -> None:
    """The multiplication, or the lookup beside it, gives what is served, and the gradients of what is served."""
    embedding = tf.keras.layers.Embedding(num_products, 3)
    pooling = _RecencyPooling(embedding, SeededDropout(0.0, 1, step_variable()))
    products = tf.constant([[4, 0, NO_PRODUCT], [NO_PRODUCT] * 3, [num_products - 1, 4, 2]])
    age = tf.constant([[10.0, 400.0, 0.0], [0.0] * 3, [1.0, 30.0, 90.0]])
    pools, gradients = [], []
    for training in (True, False):
        with tf.GradientTape() as tape:
            pools.append(pooling(products, age, training=training))
            loss = tf.reduce_sum(pools[-1] * tf.random.stateless_normal([3, 7], [1, 2]))
        rows, decay = tape.gradient(loss, [embedding.embeddings, pooling._decay])
        dense = tf.math.unsorted_segment_sum(rows.values, rows.indices, num_products)
        gradients.append((dense.numpy(), decay.numpy()))
    np.testing.assert_allclose(*pools, rtol=1e-5, atol=1e-6)
    for in_training, served in zip(*gradients, strict=True):
        assert np.abs(served).max() > 0
        np.testing.assert_allclose(in_training, served, rtol=1e-4, atol=1e-6)


class TestPooled:
    def pool(self, vectors: list[list[float]], products: list[list[int]], weights: list[list[float]]) -> Array:
        """One pool of vectors that are looked up in a list."""
        pools = pool_products(
            lambda ids: tf.gather(vectors, ids), tf.constant(products), tf.constant(weights)[:, :, None]
        )
        return np.asarray(pools)

    def test_golden(self) -> None:
        # (1, 0) + (0, 1) by sqrt(1 + 1); 3 (0, 1) + 4 (1, 0) by sqrt(9 + 16) = 5.
        pools = self.pool([[1.0, 0], [0, 1]], [[0, 1], [1, 0]], [[1.0, 1], [3, 4]])
        np.testing.assert_allclose(pools, [[0.5**0.5, 0.5**0.5], [0.8, 0.6]], rtol=1e-6)

    def test_padding_does_not_count(self) -> None:
        pools = self.pool([[1.0, 0], [0, 1]], [[NO_PRODUCT, 0, 1, NO_PRODUCT]], [[0.0, 3, 4, 0]])
        np.testing.assert_allclose(pools, [[0.6, 0.8]], rtol=1e-6)

    def test_an_empty_list_is_0(self) -> None:
        nothing = [NO_PRODUCT, NO_PRODUCT]
        pools = self.pool([[2.0, 0]], [nothing, [0, NO_PRODUCT], nothing], [[0.0, 0], [1, 0], [0, 0]])
        np.testing.assert_array_equal(pools, [[0, 0], [2, 0], [0, 0]])

    def test_pools_stand_side_by_side(self) -> None:
        weights = tf.constant([[[1.0, 3.0], [1.0, 4.0]]])
        pools = pool_products(lambda ids: tf.gather([[1.0, 0], [0, 1]], ids), tf.constant([[0, 1]]), weights)
        np.testing.assert_allclose(pools, [[0.5**0.5, 0.5**0.5, 0.6, 0.8]], rtol=1e-6)

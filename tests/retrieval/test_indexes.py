from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from nextbest.data.dataset import Array
from nextbest.data.snapshot import NO_PRODUCT
from nextbest.retrieval.indexes import ExactIndex, ScannConfig, ScannIndex

DIM = 16


def unit_vectors(count: int, seed: int) -> Array:
    vectors = np.random.default_rng(seed).normal(size=(count, DIM)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


QUERIES = unit_vectors(6, 1)
SMALL = unit_vectors(24, 2)
LARGE = unit_vectors(4000, 3)


def nothing(batch: int = len(QUERIES)) -> Array:
    return np.zeros((batch, 0), np.int32)


def search(index: ExactIndex | ScannIndex, queries: Array, exclude: Array, k: int) -> tuple[Array, Array]:
    scores, products = index.search(tf.constant(queries), tf.constant(exclude), k)
    return scores.numpy(), products.numpy()


def best(embeddings: Array, queries: Array, exclude: Array, k: int) -> tuple[Array, Array]:
    """The same in numpy: score, mask, sort."""
    scores = queries @ embeddings.T
    for row, products in enumerate(exclude):
        scores[row, products[products != NO_PRODUCT]] = -np.inf
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    scores = np.take_along_axis(scores, order, axis=1)
    return scores, np.where(np.isfinite(scores), order, NO_PRODUCT)


def recall(found: Array, true: Array) -> float:
    return float((found[:, :, None] == true[:, None, :]).any(axis=1).mean())


@pytest.fixture(scope="module")
def exact() -> ExactIndex:
    return ExactIndex().index(SMALL)


@pytest.fixture(scope="module")
def small_scann() -> ScannIndex:
    return ScannIndex().index(SMALL)


@pytest.fixture(scope="module")
def large_scann() -> ScannIndex:
    return ScannIndex(ScannConfig(leaves_searched=40, reordered=400)).index(LARGE)


@pytest.fixture(params=["exact", "scann"])
def small(request: pytest.FixtureRequest, exact: ExactIndex, small_scann: ScannIndex) -> ExactIndex | ScannIndex:
    """Either index on a catalogue of 24 products, on which ScaNN's usual 100 leaves would fail."""
    return exact if request.param == "exact" else small_scann


class TestAnyIndex:
    def test_it_equals_numpy(self, small: ExactIndex | ScannIndex) -> None:
        scores, products = search(small, QUERIES, nothing(), 5)
        true_scores, true_products = best(SMALL, QUERIES, nothing(), 5)
        np.testing.assert_array_equal(products, true_products)
        np.testing.assert_allclose(scores, true_scores, rtol=1e-5)
        assert (scores.dtype, products.dtype) == (np.float32, np.int32)

    def test_a_batch_of_one_equals_a_batch_of_many(self, small: ExactIndex | ScannIndex) -> None:
        _, products = search(small, QUERIES, nothing(), 5)
        for row in range(len(QUERIES)):
            np.testing.assert_array_equal(search(small, QUERIES[row : row + 1], nothing(1), 5)[1][0], products[row])

    def test_excluded_products_give_way_to_the_next(self, small: ExactIndex | ScannIndex) -> None:
        exclude = best(SMALL, QUERIES, nothing(), 3)[1].astype(np.int32)
        exclude[0] = NO_PRODUCT  # padding excludes nothing
        _, products = search(small, QUERIES, exclude, 5)
        np.testing.assert_array_equal(products, best(SMALL, QUERIES, exclude, 5)[1])

    @pytest.mark.parametrize("left", [0, 1, 2])
    def test_with_almost_everything_excluded_nothing_leaks(self, small: ExactIndex | ScannIndex, left: int) -> None:
        # tfrs's query_with_exclusions returns excluded products here, or raises.
        exclude = np.stack([np.random.default_rng(row).permutation(24)[left:] for row in range(6)]).astype(np.int32)
        scores, products = search(small, QUERIES, exclude, 5)
        assert products.shape == (6, 5)
        assert ((products != NO_PRODUCT).sum(axis=1) == left).all()
        np.testing.assert_array_equal(products, best(SMALL, QUERIES, exclude, 5)[1])
        assert (scores[:, left:] == np.finfo(np.float32).min).all()

    @pytest.mark.parametrize("k", [24, 25, 1000])
    def test_more_than_the_catalogue_is_all_of_it(self, small: ExactIndex | ScannIndex, k: int) -> None:
        _, products = search(small, QUERIES, nothing(), k)
        np.testing.assert_array_equal(products, best(SMALL, QUERIES, nothing(), 24)[1])

    def test_k_is_an_input_of_the_graph(self, small: ExactIndex | ScannIndex) -> None:
        graph = tf.function(small.search)
        for k in (1, 7, 30):
            found = graph(tf.constant(QUERIES), tf.constant(nothing()), tf.constant(k))[1].numpy()
            np.testing.assert_array_equal(found, best(SMALL, QUERIES, nothing(), k)[1])

    def test_called_as_a_layer_it_takes_its_own_k(self, small: ExactIndex | ScannIndex) -> None:
        assert small(tf.constant(QUERIES))[1].shape == [6, 10]
        assert small(tf.constant(QUERIES), k=3)[1].shape == [6, 3]

    def test_identifiers_are_refused(self, small: ExactIndex | ScannIndex) -> None:
        with pytest.raises(ValueError, match="positions"):
            small.index(SMALL, identifiers=np.arange(24))

    @settings(max_examples=25, deadline=None)
    @given(data=st.data())
    def test_whatever_is_excluded_stays_away(
        self, exact: ExactIndex, small_scann: ScannIndex, data: st.DataObject
    ) -> None:
        exclude = np.array([data.draw(st.lists(st.integers(-1, 23), min_size=1, max_size=40))], np.int32)
        k = data.draw(st.integers(1, 30))
        expected = best(SMALL, QUERIES[:1], exclude, k)[1]
        for index in (exact, small_scann):
            np.testing.assert_array_equal(search(index, QUERIES[:1], exclude, k)[1], expected)


@pytest.mark.parametrize("count", [1, 2, 15, 16, 60])
def test_scann_takes_a_tiny_catalogue(count: int) -> None:
    embeddings = unit_vectors(count, count)
    index = ScannIndex(ScannConfig(leaves=100, training_sample=1)).index(embeddings)
    np.testing.assert_array_equal(search(index, QUERIES, nothing(), 5)[1], best(embeddings, QUERIES, nothing(), 5)[1])


class TestScannOnALargeCatalogue:
    queries = unit_vectors(200, 5)

    def test_recall(self, large_scann: ScannIndex) -> None:
        found = search(large_scann, self.queries, nothing(200), 10)[1]
        assert recall(found, best(LARGE, self.queries, nothing(200), 10)[1]) >= 0.9

    def test_scores_are_exact_cosines(self, large_scann: ScannIndex) -> None:
        scores, products = search(large_scann, self.queries, nothing(200), 10)
        np.testing.assert_allclose(scores, np.einsum("qd,qkd->qk", self.queries, LARGE[products]), atol=1e-5)

    def test_exclusions(self, large_scann: ScannIndex) -> None:
        exclude = best(LARGE, self.queries, nothing(200), 50)[1].astype(np.int32)
        found = search(large_scann, self.queries, exclude, 10)[1]
        assert not (found[:, :, None] == exclude[:, None, :]).any()
        assert recall(found, best(LARGE, self.queries, exclude, 10)[1]) >= 0.8

    def test_k_beyond_what_the_usual_leaves_hold(self, large_scann: ScannIndex) -> None:
        # 40 of 63 leaves hold some 2500 products; for all 4000 every leaf is searched.
        products = search(large_scann, self.queries[:3], nothing(3), 5000)[1]
        np.testing.assert_array_equal(np.sort(products, axis=1), np.tile(np.arange(4000), (3, 1)))

    def test_all_but_one_excluded(self, large_scann: ScannIndex) -> None:
        left = np.array([0, 1234, 3999])
        exclude = np.stack([np.setdiff1d(np.arange(4000), one) for one in left]).astype(np.int32)
        products = search(large_scann, self.queries[:3], exclude, 10)[1]
        np.testing.assert_array_equal(products[:, 0], left)
        assert (products[:, 1:] == NO_PRODUCT).all()

    def test_an_index_can_be_built_anew(self) -> None:
        index = ScannIndex().index(LARGE)
        graph_before = search(index, QUERIES, nothing(), 3)
        index.index(SMALL)
        assert graph_before[1].max() >= 24
        np.testing.assert_array_equal(search(index, QUERIES, nothing(), 3)[1], best(SMALL, QUERIES, nothing(), 3)[1])


class Servable(tf.Module):
    """What an export does with an index: its variables are tracked, its search is in the graph."""

    def __init__(self, index: ExactIndex | ScannIndex) -> None:
        super().__init__()
        self.tracked = index.variables
        signature = [
            tf.TensorSpec([None, DIM], tf.float32, name="queries"),
            tf.TensorSpec([None, None], tf.int32, name="exclude"),
            tf.TensorSpec([], tf.int32, name="k"),
        ]

        @tf.function(input_signature=signature)
        def retrieve(queries: Any, exclude: Any, k: Any) -> dict[str, Any]:
            scores, products = index.search(queries, exclude, k)
            return {"scores": scores, "products": products}

        self.retrieve = retrieve


ASK = """
import json, sys
import tensorflow as tf
import scann
folder, inputs = sys.argv[1], json.load(sys.stdin)
retrieve = tf.saved_model.load(folder).signatures["retrieve"]
answers = []
for k in inputs["k"]:
    found = retrieve(
        queries=tf.constant(inputs["queries"]), exclude=tf.constant(inputs["exclude"], tf.int32), k=tf.constant(k)
    )
    answers.append([found["products"].numpy().tolist(), found["scores"].numpy().tolist()])
json.dump(answers, sys.stdout)
"""


def test_scann_answers_alike_in_a_process_without_our_code(large_scann: ScannIndex, tmp_path: Path) -> None:
    servable = Servable(large_scann)
    tf.saved_model.save(servable, str(tmp_path / "model"), signatures={"retrieve": servable.retrieve})
    exclude = best(LARGE, QUERIES, nothing(), 20)[1]
    inputs = {"queries": QUERIES.tolist(), "exclude": exclude.tolist(), "k": [3, 20, 4000]}
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    answered = subprocess.run(
        [sys.executable, "-c", ASK, str(tmp_path / "model")],
        input=json.dumps(inputs),
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    for k, (products, scores) in zip(inputs["k"], json.loads(answered.stdout), strict=True):
        expected_scores, expected = search(large_scann, QUERIES, exclude.astype(np.int32), k)
        np.testing.assert_array_equal(products, expected)
        np.testing.assert_allclose(scores, expected_scores, rtol=1e-5)

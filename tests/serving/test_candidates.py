"""ScaNN's candidates against the exact ones, with an index that misses much: nobody gets fewer, or a forbidden one."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from nextbest.data.dataset import Array
from nextbest.data.rules import PolicyConfig, Rule
from nextbest.data.snapshot import NO_PRODUCT
from nextbest.graph.signatures import graph_function
from nextbest.serving.candidates import ExactCandidates, ScannCandidates
from nextbest.serving.eligibility import Eligibility

Search = Callable[..., tuple[tf.Tensor, tf.Tensor]]

NUM, DIM, BATCH = 60, 4, 20
RANDOM = np.random.default_rng(5)
PRODUCTS = RANDOM.normal(size=(NUM, DIM)).astype(np.float32)
CUSTOMERS = RANDOM.normal(size=(BATCH, DIM)).astype(np.float32)
IDS = np.array([b"P%02d" % number for number in range(NUM)], object)
RISK = (np.arange(NUM) % 5 + 1).astype(np.float32)
GROUP = np.array(["", "fund", "loan"], object)[np.arange(NUM) % 3]
RULE = Rule(customer="tolerance", op=">=", product="risk", reason="too risky")
POLICY = PolicyConfig(rules=(RULE,), risk_column="risk", category_column="group")
ELIGIBILITY = Eligibility(POLICY, {"risk": RISK, "group": GROUP}, IDS)


class Careless:
    """A retrieval stage whose index knows every second product alone, and pads what it is asked for beyond them."""

    def __init__(self, known: Array) -> None:
        self._known = known

    def similarities(self, embeddings: tf.Tensor) -> tf.Tensor:
        return tf.matmul(embeddings, PRODUCTS, transpose_b=True)

    def nearest(self, embeddings: tf.Tensor, k: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        similarity, places = tf.math.top_k(
            tf.gather(self.similarities(embeddings), self._known, axis=1), len(self._known)
        )
        padding = [[0, 0], [0, NUM]]
        found = tf.pad(tf.gather(self._known, places), padding, constant_values=NO_PRODUCT)
        return tf.pad(similarity, padding)[:, :k], found[:, :k]


GOOD, CARELESS = Careless(np.arange(NUM, dtype=np.int32)), Careless(np.arange(0, NUM, 2, dtype=np.int32))


def request(
    tolerance: Array, max_risk: float, categories: list[str], held: Array, exclude: Array
) -> dict[str, tf.Tensor]:
    batch = len(tolerance)
    return {
        "tolerance": tf.constant(tolerance, tf.float32),
        "max_risk": tf.fill([batch], max_risk),
        "categories": tf.constant([categories] * batch, tf.string, [batch, len(categories)]),
        "held_products": tf.constant(IDS[held].astype(bytes), tf.string, held.shape),
        "exclude": tf.constant(IDS[exclude].astype(bytes), tf.string, exclude.shape),
    }


@st.composite
def requests(draw: st.DrawFn) -> dict[str, tf.Tensor]:
    batch = draw(st.integers(0, BATCH))

    def products() -> Array:
        width = draw(st.integers(0, 50))
        return np.random.default_rng(draw(st.integers(0, 99))).integers(0, NUM, (batch, width))

    return request(
        np.array(draw(st.lists(st.sampled_from([np.nan, 0, 1, 3, 5]), min_size=batch, max_size=batch)), np.float32),
        draw(st.sampled_from([np.nan, 1.0, 3.0])),
        draw(st.lists(st.sampled_from(["fund", "loan", "", "unknown"]), max_size=2)),
        products(),
        products(),
    )


def traced(search: ExactCandidates | ScannCandidates) -> Search:
    """Return a search as a graph for any request."""
    specs = {
        "tolerance": tf.TensorSpec([None], tf.float32),
        "max_risk": tf.TensorSpec([None], tf.float32),
        "categories": tf.TensorSpec([None, None], tf.string),
        "exclude": tf.TensorSpec([None, None], tf.int32),
    }
    return graph_function(search, [tf.TensorSpec([None, DIM], tf.float32), specs, tf.TensorSpec([], tf.int32)])


class SmallSteps(ScannCandidates):
    """Goes through what a large catalogue and many customers would."""

    _WIDER, _WIDER_ROWS, _EXACT_ROWS = 2, 3, 2


def scann(stage: Careless, retrieved: int) -> Search:
    return traced(SmallSteps(stage, ELIGIBILITY, num_products=NUM, candidates=10, retrieved=retrieved))


EXACT = traced(ExactCandidates(GOOD, ELIGIBILITY))
BY_GOOD, BY_CARELESS = ([scann(stage, retrieved) for retrieved in (10, 15, 60)] for stage in (GOOD, CARELESS))


def found_by(search: Search, asked: Mapping[str, tf.Tensor], num: int) -> list[list[int]]:
    """Return each customer's candidates in order, without the padding, which must stand behind them."""
    batch = len(asked["tolerance"])
    answer = search(CUSTOMERS[:batch], ELIGIBILITY.read(asked), num)
    similarity, products = (tensor.numpy() for tensor in answer)
    assert similarity.shape == products.shape == (batch, num)
    real = products != NO_PRODUCT
    assert (np.sort(~real, axis=1) == ~real).all()
    cosines = CUSTOMERS[:batch] @ PRODUCTS.T
    for row in range(batch):
        shown = products[row][real[row]]
        np.testing.assert_allclose(similarity[row][real[row]], cosines[row, shown], rtol=1e-5, atol=1e-6)
        assert (np.diff(similarity[row][real[row]]) <= 0).all()
    return [row[mask].tolist() for row, mask in zip(products, real, strict=True)]


@given(asked=requests(), num=st.integers(1, NUM), width=st.sampled_from([0, 1, 2]))
def test_an_index_that_finds_all_gives_the_exact_answer(asked: dict[str, tf.Tensor], num: int, width: int) -> None:
    assert found_by(BY_GOOD[width], asked, num) == found_by(EXACT, asked, num)


@given(asked=requests(), num=st.integers(1, NUM), width=st.sampled_from([0, 1, 2]))
def test_one_that_misses_much_never_gives_fewer_nor_a_forbidden_one(
    asked: dict[str, tf.Tensor], num: int, width: int
) -> None:
    exact = found_by(EXACT, asked, num)
    allowed = ELIGIBILITY.allowed(ELIGIBILITY.read(asked)).numpy()
    for mine, theirs, may in zip(found_by(BY_CARELESS[width], asked, num), exact, allowed, strict=True):
        assert len(mine) == len(theirs) == len(set(mine))
        assert may[mine].all()


def test_who_has_enough_keeps_what_the_index_found() -> None:
    nobody = np.zeros((BATCH, 0), np.int64)
    asked = request(np.full(BATCH, 5.0), np.nan, [], nobody, nobody)
    found = found_by(BY_CARELESS[0], asked, 10)
    assert all(product % 2 == 0 for row in found for product in row)
    all_it_knows = np.tile(np.arange(0, NUM, 2), (BATCH, 1))
    asked = request(np.full(BATCH, 5.0), np.nan, [], all_it_knows, nobody)
    assert all(product % 2 for row in found_by(BY_CARELESS[0], asked, 10) for product in row)


@pytest.mark.parametrize("chosen", [[0, 1, 2], [4, 4, 59]])
def test_a_few_products_are_allowed_as_in_the_whole_catalogue(chosen: list[int]) -> None:
    held = np.tile([[2, 59]], (BATCH, 1))
    asked = request(np.linspace(0, 6, BATCH), 4.0, ["fund", "loan"], held, held[:, :1])
    read = ELIGIBILITY.read(asked)
    products = np.tile(np.array(chosen, np.int32), (BATCH, 1))
    of_few = ELIGIBILITY.allowed(read, tf.constant(products)).numpy()
    np.testing.assert_array_equal(of_few, np.take_along_axis(ELIGIBILITY.allowed(read).numpy(), products, axis=1))

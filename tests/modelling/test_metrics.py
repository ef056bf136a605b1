import json
import os
import subprocess
import sys
from math import log2

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import ndcg_score

from nextbest.data.dataset import Array
from nextbest.modelling.metrics import coverage, find_hits, per_customer, top_k


def everything(scores: Array) -> Array:
    return np.ones(scores.shape, bool)


def test_top_k_gives_the_best_first() -> None:
    scores = np.array([[0.1, -2.0, 3.0, 0.5]], np.float32)
    assert top_k(scores, everything(scores), 3).tolist() == [[2, 3, 0]]


def test_ties_go_to_the_lower_position() -> None:
    scores = np.array([[1.0, 2.0, 1.0, 2.0, 1.0], [0.0, -0.0, 0.0, -0.0, 1.0]], np.float32)
    assert top_k(scores, everything(scores), 4).tolist() == [[1, 3, 0, 2], [4, 0, 1, 2]]


def test_forbidden_and_minus_infinity_are_left_out_and_not_padded_with() -> None:
    scores = np.array([[5.0, -np.inf, 4.0, 3.0]], np.float32)
    allowed = np.array([[False, True, True, True]])
    assert top_k(scores, allowed, 3).tolist() == [[2, 3, -1]]


def test_k_of_top_k_may_exceed_the_catalogue() -> None:
    scores = np.array([[1.0, 2.0]], np.float32)
    assert top_k(scores, everything(scores), 4).tolist() == [[1, 0, -1, -1]]


def test_infinity_is_best() -> None:
    scores = np.array([[1.0, np.inf, -3e38, 3e38]], np.float32)
    assert top_k(scores, everything(scores), 4).tolist() == [[1, 3, 0, 2]]


def test_nan_is_an_error_that_names_the_place() -> None:
    scores = np.array([[1.0, 2.0], [1.0, np.nan]], np.float32)
    with pytest.raises(ValueError, match="row 1, product 1 is NaN"):
        top_k(scores, everything(scores), 1)


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match=r"\(1, 3\), allowed has \(1, 2\)"):
        top_k(np.zeros((1, 3), np.float32), np.ones((1, 2), bool), 1)


@given(data=st.data())
@settings(deadline=None)  # the first call imports TensorFlow
def test_top_k_agrees_with_a_stable_sort(data: st.DataObject) -> None:
    shape = data.draw(hnp.array_shapes(min_dims=2, max_dims=2, max_side=12))
    # Few different values, so that ties are common.
    values = st.sampled_from([-np.inf, -1e30, -1.5, -0.0, 0.0, 1e-30, 2.0, 7.0])
    scores = data.draw(hnp.arrays(np.float32, shape, elements=values))
    allowed = data.draw(hnp.arrays(bool, shape))
    k = data.draw(st.integers(1, 15))
    for row, ranked in enumerate(top_k(scores, allowed, k).tolist()):
        candidates = [p for p in range(shape[1]) if allowed[row, p] and scores[row, p] > -np.inf]
        expected = sorted(candidates, key=lambda p: -scores[row, p])[:k]  # sorted is stable
        assert ranked == expected + [-1] * (k - len(expected))


# Customer 0 wants products 1 and 4, customer 1 wants 0, customer 2 wants 0, 1, 2 and 3.
RELEVANT = sp.csr_matrix(np.array([[0, 1, 0, 0, 1], [1, 0, 0, 0, 0], [1, 1, 1, 1, 0]]))
# The second list has ended early.
RANKED = np.array([[3, 1, 0, 4], [2, 3, -1, -1], [0, 4, 3, 1]])


def test_hits_are_where_a_list_names_what_was_wanted() -> None:
    expected = [[0, 1, 0, 1], [0, 0, 0, 0], [1, 0, 1, 1]]
    assert find_hits(RANKED, RELEVANT).astype(int).tolist() == expected


def test_an_empty_place_is_no_hit_for_the_last_product() -> None:
    # Indexing with the padding (-1) would read the last product, which is relevant here.
    assert not find_hits(np.array([[-1, -1]]), sp.csr_matrix(np.array([[0, 0, 1]]))).any()


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        # Hits at places 2 (and 4): 1/log2(3), ideal 1 + 1/log2(3); nothing; places 1 and 3 of an ideal 1, 2, 3.
        ("ndcg@3", [(1 / log2(3)) / (1 + 1 / log2(3)), 0, (1 + 1 / 2) / (1 + 1 / log2(3) + 1 / 2)]),
        # At most one product fits into a list of one, so one hit is ideal although four are relevant.
        ("ndcg@1", [0, 0, 1]),
        ("recall@3", [1 / 2, 0, 2 / 4]),
        ("precision@3", [1 / 3, 0, 2 / 3]),
        ("hit_rate@1", [0, 0, 1]),
        ("hit_rate@3", [1, 0, 1]),
        ("mrr@1", [0, 0, 1]),
        ("mrr@3", [1 / 2, 0, 1]),
        # Longer than the lists: the missing places are misses.
        ("precision@8", [2 / 8, 0, 3 / 8]),
        ("recall@8", [2 / 2, 0, 3 / 4]),
    ],
)
def test_by_hand(metric: str, expected: list[float]) -> None:
    np.testing.assert_allclose(per_customer(RANKED, RELEVANT, ks=(1, 3, 8))[metric], expected)


def test_an_explicit_zero_is_not_relevant() -> None:
    relevant = sp.csr_matrix(([1.0, 0.0], ([0, 0], [1, 0])), shape=(1, 2))
    found = per_customer(np.array([[0, 1]]), relevant, ks=(1, 2))
    assert (found["recall@1"][0], found["recall@2"][0]) == (0, 1)


def test_coverage_counts_products_that_anyone_is_shown() -> None:
    # First places: 3, 2, 0. First two places: 3, 1, 2, 0, 4 of a catalogue of 5, and of one of 10.
    assert coverage(RANKED, 5, 1) == 3 / 5
    assert coverage(RANKED, 5, 2) == 1
    assert coverage(RANKED, 10, 4) == 5 / 10


@pytest.fixture(scope="module")
def random_case() -> tuple[Array, Array, sp.csr_matrix]:
    """Scores without ties, what is allowed, and what is relevant (whether allowed or not), 60 customers x 30."""
    rng = np.random.default_rng(0)
    scores = rng.permutation(60 * 30).reshape(60, 30).astype(np.float32)
    relevant = rng.random((60, 30)) < 0.12
    relevant[np.arange(60), rng.integers(0, 30, 60)] = True
    return scores, rng.random((60, 30)) < 0.7, sp.csr_matrix(relevant)


RANX = """
import json, sys
from ranx import Qrels, Run, evaluate
case = json.load(sys.stdin)
found = evaluate(Qrels(case["relevant"]), Run(case["run"]), case["metrics"], return_mean=False)
print(json.dumps({metric: values.tolist() for metric, values in found.items()}))
"""


def test_agrees_with_ranx(random_case: tuple[Array, Array, sp.csr_matrix]) -> None:
    scores, allowed, relevant = random_case
    found = per_customer(top_k(scores, allowed, 20), relevant, ks=(1, 5, 20))
    case = {
        "metrics": list(found),
        "relevant": {f"c{row:02d}": {f"p{p}": 1 for p in relevant[row].indices} for row in range(60)},
        "run": {
            f"c{row:02d}": {f"p{p}": float(scores[row, p]) for p in np.flatnonzero(allowed[row])} for row in range(60)
        },
    }
    # Compiling ranx takes 20 s and uncompiled it needs one: its switch must be set before it is imported.
    peer = subprocess.run(
        [sys.executable, "-c", RANX],
        input=json.dumps(case),
        env=os.environ | {"NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
    )
    assert peer.returncode == 0, peer.stderr
    for metric, values in json.loads(peer.stdout).items():
        np.testing.assert_allclose(found[metric], values, rtol=1e-6, err_msg=metric)


@pytest.mark.parametrize("k", [1, 5, 20, 30])
def test_ndcg_agrees_with_scikit_learn(random_case: tuple[Array, Array, sp.csr_matrix], k: int) -> None:
    scores, _, relevant = random_case
    ours = per_customer(top_k(scores, np.ones_like(scores, bool), k), relevant, ks=(k,))[f"ndcg@{k}"]
    assert ours.mean() == pytest.approx(ndcg_score(relevant.toarray(), scores, k=k))

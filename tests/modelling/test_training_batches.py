"""An epoch's batches: every example once, beside examples of its window."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nextbest.modelling.training import window_batches


def epoch_of(window: np.ndarray, batch_size: int, seed: int = 1, epoch: int = 0) -> list[tuple[int, list[int]]]:
    batches = window_batches(window, batch_size, seed, epoch)
    return [(int(batch["window"]), batch["examples"].numpy().tolist()) for batch in batches]


@settings(max_examples=25, deadline=None)
@given(
    window=st.lists(st.integers(0, 3), min_size=1, max_size=40), batch_size=st.integers(1, 9), epoch=st.integers(0, 5)
)
def test_every_example_comes_once_beside_examples_of_its_window(window: list[int], batch_size: int, epoch: int) -> None:
    batches = epoch_of(np.array(window), batch_size, epoch=epoch)
    assert sorted(example for _, examples in batches for example in examples) == list(range(len(window)))
    assert all(window[example] == number for number, examples in batches for example in examples)


def test_a_window_is_split_evenly_and_nothing_is_padded() -> None:
    # 7 examples in batches of at most 3 are 3 + 2 + 2, not 3 + 3 + 1; the window of 2 stays whole.
    batches = epoch_of(np.array([4] * 7 + [9] * 2), batch_size=3)
    sizes = sorted((number, len(examples)) for number, examples in batches)
    assert sizes == [(4, 2), (4, 2), (4, 3), (9, 2)]


def test_the_order_is_a_function_of_seed_and_epoch() -> None:
    window = np.repeat([0, 1], 30)
    first = epoch_of(window, 8, seed=3, epoch=2)
    assert first == epoch_of(window, 8, seed=3, epoch=2)
    assert first != epoch_of(window, 8, seed=3, epoch=3)
    assert first != epoch_of(window, 8, seed=4, epoch=2)


def test_an_epoch_mixes_anew_which_examples_meet() -> None:
    # shuffle().batch().cache() would give the same batches in every epoch.
    window = np.zeros(64, int)
    met = [{frozenset(examples) for _, examples in epoch_of(window, 4, epoch=epoch)} for epoch in (0, 1)]
    assert not met[0] & met[1]


def test_windows_alternate_within_an_epoch() -> None:
    order = [number for number, _ in epoch_of(np.repeat([0, 1], 200), 10)]
    assert order != sorted(order)


@pytest.mark.parametrize("key", ["window", "examples"])
def test_tensors_are_int32(key: str) -> None:
    assert next(iter(window_batches(np.zeros(3, int), 2, 0, 0)))[key].dtype.name == "int32"

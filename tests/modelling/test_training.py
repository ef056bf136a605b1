"""The training loop, on a small model with everything whose state must outlive an interruption."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_recommenders as tfrs

from nextbest.modelling.layers import DenseBlocks, step_variable
from nextbest.modelling.training import Training, adam, restore, train, window_batches

EPOCHS = 4
INPUTS = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
TARGETS = INPUTS @ np.array([[1.0], [-2.0], [0.5]], np.float32)


class Killed(Exception):
    """Stands for a process that is stopped."""


class Model(tfrs.Model):
    """Batch normalisation, seeded dropout and Adam: all of it is state."""

    def __init__(self, width: int = 5) -> None:
        super().__init__()
        self.step = step_variable()
        self.blocks = DenseBlocks((width,), 0.3, 1, self.step)
        self.last = tf.keras.layers.Dense(1)
        self.mean_loss = tf.keras.metrics.Mean(name="mean_loss")

    def compute_loss(self, inputs: Any, training: bool = False) -> Any:
        self.step.assign_add(1)
        predicted = self.last(self.blocks(tf.gather(INPUTS, inputs["examples"]), training=training))
        loss = tf.reduce_mean(tf.square(predicted - tf.gather(TARGETS, inputs["examples"])))
        self.mean_loss.update_state(loss)
        return loss


def fresh_model(width: int = 5) -> Model:
    tf.keras.utils.set_random_seed(3)
    model = Model(width)
    model.compile(optimizer=tf.keras.optimizers.Adam(0.03))
    model.compute_loss({"examples": tf.constant([0])})
    model.step.assign(0)
    model.optimizer.build(model.trainable_variables)
    return model


def batches(epoch: int) -> Any:
    return window_batches(np.zeros(len(INPUTS), int), 8, seed=1, epoch=epoch)


def state_of(model: Model) -> list[Any]:
    """Everything that the next step depends on."""
    return [variable.numpy() for variable in [*model.variables, *model.optimizer.variables]]


def scores_in_turn(*scores: float) -> Callable[[], float]:
    return iter(scores).__next__


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Any], Training]:
    model = fresh_model()
    training = train(model, batches, EPOCHS, tmp_path_factory.mktemp("undisturbed"))
    return state_of(model), training


def assert_same(model: Model, training: Training, expected: tuple[list[Any], Training]) -> None:
    assert training == expected[1]
    for found, wanted in zip(state_of(model), expected[0], strict=True):
        np.testing.assert_array_equal(found, wanted)


def kill_after(epochs: int) -> Callable[[str, float], None]:
    def progress(what: str, share: float) -> None:
        if share >= epochs / EPOCHS:
            raise Killed

    return progress


def kill_in(epoch: int) -> Callable[[int], Any]:
    def until_killed(number: int) -> Any:
        if number == epoch:
            raise Killed
        return batches(number)

    return until_killed


def test_it_learns(tmp_path: Path) -> None:
    # Of 50 units: what is left of 5 after dropout is a matter of luck.
    losses = train(fresh_model(width=50), batches, EPOCHS, tmp_path).losses
    assert len(losses) == EPOCHS
    assert losses[-1] < losses[0] / 2


def test_the_loss_is_the_mean_over_the_epoch(tmp_path: Path) -> None:
    model = fresh_model()
    model.optimizer.learning_rate.assign(0.0)
    training = train(model, lambda epoch: batches(0), 1, tmp_path)
    model.step.assign(0)
    moved = [model.compute_loss(batch, training=True).numpy() for batch in batches(0)]
    assert training.losses == pytest.approx([np.mean(moved)], rel=1e-5)


@pytest.mark.parametrize("epochs", [1, 3])
def test_interrupted_after_an_epoch_it_ends_with_the_same_bits(
    epochs: int, tmp_path: Path, undisturbed: tuple[list[Any], Training]
) -> None:
    with pytest.raises(Killed):
        train(fresh_model(), batches, EPOCHS, tmp_path, progress=kill_after(epochs))
    model = fresh_model()
    assert_same(model, train(model, batches, EPOCHS, tmp_path), undisturbed)


def test_interrupted_in_two_epochs_it_ends_with_the_same_bits(
    tmp_path: Path, undisturbed: tuple[list[Any], Training]
) -> None:
    for epoch in (1, 2):
        with pytest.raises(Killed):
            train(fresh_model(), kill_in(epoch), EPOCHS, tmp_path)
    model = fresh_model()
    assert_same(model, train(model, batches, EPOCHS, tmp_path), undisturbed)


def test_a_finished_training_is_not_repeated(tmp_path: Path, undisturbed: tuple[list[Any], Training]) -> None:
    train(fresh_model(), batches, EPOCHS, tmp_path)
    model = fresh_model()
    assert_same(model, train(model, kill_in(0), EPOCHS, tmp_path), undisturbed)


class TestValidation:
    def test_the_best_epoch_is_restored(self, tmp_path: Path) -> None:
        model = fresh_model()
        training = train(model, batches, 4, tmp_path, validate=scores_in_turn(0.1, 0.5, 0.3, 0.2), patience=4)
        assert (training.scores, training.best_epochs) == ([0.1, 0.5, 0.3, 0.2], 2)
        alone = fresh_model()
        train(alone, batches, 2, tmp_path / "two epochs")
        for found, wanted in zip(state_of(model), state_of(alone), strict=True):
            np.testing.assert_array_equal(found, wanted)

    def test_it_stops_when_patience_is_exhausted(self, tmp_path: Path) -> None:
        # Best in epoch 2; epochs 3 and 4 bring nothing better, so the fifth is not run.
        scores = scores_in_turn(0.1, 0.5, 0.5, 0.4)
        training = train(fresh_model(), batches, 9, tmp_path, validate=scores, patience=2)
        assert len(training.losses) == 4
        assert training.best_epochs == 2  # of equals the first

    def test_resumed_it_stops_at_the_same_epoch_with_the_same_bits(self, tmp_path: Path) -> None:
        scores = [0.1, 0.5, 0.3, 0.4]
        whole = fresh_model()
        expected = train(whole, batches, 9, tmp_path / "whole", validate=scores_in_turn(*scores), patience=2)
        with pytest.raises(Killed):
            train(fresh_model(), kill_in(3), 9, tmp_path / "cut", validate=scores_in_turn(*scores[:3]), patience=2)
        model = fresh_model()
        training = train(model, batches, 9, tmp_path / "cut", validate=scores_in_turn(*scores[3:]), patience=2)
        assert_same(model, training, (state_of(whole), expected))

    def test_a_crash_between_saving_the_best_and_the_last_is_survived(self, tmp_path: Path) -> None:
        train(fresh_model(), batches, 1, tmp_path, validate=scores_in_turn(0.1))
        shutil.copytree(tmp_path / "last", tmp_path / "kept")
        expected = fresh_model()
        train(expected, batches, 2, tmp_path, validate=scores_in_turn(0.5))
        shutil.rmtree(tmp_path / "last")
        (tmp_path / "kept").rename(tmp_path / "last")  # the best is of epoch 2, the last of epoch 1
        model = fresh_model()
        training = train(model, batches, 2, tmp_path, validate=scores_in_turn(0.5))
        assert_same(model, training, (state_of(expected), training))
        assert training.scores == [0.1, 0.5]


class TestCheckpoints:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        """A folder with the checkpoint of the first epoch."""
        train(fresh_model(), batches, 1, tmp_path)
        return tmp_path

    def finish(self, folder: Path, undisturbed: tuple[list[Any], Training]) -> None:
        model = fresh_model()
        assert_same(model, train(model, batches, EPOCHS, folder), undisturbed)
        assert [path.name for path in folder.iterdir()] == ["last"]

    def test_a_crash_between_the_renames(self, folder: Path, undisturbed: tuple[list[Any], Training]) -> None:
        (folder / "last").rename(folder / ".last.old")
        self.finish(folder, undisturbed)

    def test_a_crash_before_the_old_one_is_removed(self, folder: Path, undisturbed: tuple[list[Any], Training]) -> None:
        shutil.copytree(folder / "last", folder / ".last.old")
        (folder / ".last.old" / "training.json").write_text('{"losses": [9.0, 9.0], "scores": []}')
        self.finish(folder, undisturbed)

    def test_a_crash_while_writing(self, folder: Path, undisturbed: tuple[list[Any], Training]) -> None:
        (folder / ".last.staging").mkdir()
        (folder / ".last.staging" / "variables.index").write_bytes(b"half")
        self.finish(folder, undisturbed)

    def test_the_only_checkpoint_outlives_the_next_save(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, undisturbed: tuple[list[Any], Training]
    ) -> None:
        # Two crashes in a row, each just before the new checkpoint takes its place.
        (folder / "last").rename(folder / ".last.old")

        def killed(source: Path, target: Path) -> None:
            raise Killed

        with monkeypatch.context() as patch, pytest.raises(Killed):
            patch.setattr("nextbest.data.files.os.replace", killed)
            train(fresh_model(), batches, EPOCHS, folder)
        assert (folder / ".last.old" / "training.json").exists()
        self.finish(folder, undisturbed)

    def test_a_checkpoint_of_another_model_is_refused(self, folder: Path) -> None:
        with pytest.raises(ValueError, match="shape"):
            train(fresh_model(width=6), batches, EPOCHS, folder)


class TestRestore:
    @pytest.mark.parametrize("name", ["last", ".last.old"])  # a crash between two renames leaves the older one
    def test_a_model_that_will_not_train_gets_the_variables(
        self, name: str, tmp_path: Path, undisturbed: tuple[list[Any], Training]
    ) -> None:
        train(fresh_model(), batches, EPOCHS, tmp_path)
        (tmp_path / "last").rename(tmp_path / name)
        model = Model()
        model.compute_loss({"examples": tf.constant([0])})
        restore(model, tmp_path)
        for found, wanted in zip(model.variables, undisturbed[0], strict=False):  # then come the optimizer's
            np.testing.assert_array_equal(found.numpy(), wanted)

    def test_nothing_to_restore(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError, match="holds no checkpoint"):
            restore(fresh_model(), tmp_path)


def test_progress_tells_people_how_far_it_is(tmp_path: Path) -> None:
    reports: list[tuple[str, float]] = []
    train(
        fresh_model(),
        batches,
        2,
        tmp_path,
        validate=scores_in_turn(0.25, 0.5),
        progress=lambda what, share: reports.append((what, share)),
    )
    assert [share for _, share in reports] == [0.5, 1.0]
    assert reports[1][0].startswith("epoch 2, loss ")
    assert reports[1][0].endswith("validation 0.5000")


def test_adam_leaves_the_average_over_a_share_of_an_epoch() -> None:
    """Half of an epoch of 8 steps is 4: each step counts 1/4, the average so far 3/4.

    Adam's first steps on a constant gradient of 1 are the step size each, from 0 to -0.1, -0.2, -0.3; the average
    starts at 0: -0.1 / 4 = -0.025; 3/4 * -0.025 - 0.2 / 4 = -0.06875; 3/4 * -0.06875 - 0.3 / 4 = -0.1265625.
    """
    weight = tf.Variable([0.0])
    optimizer = adam(0.1, averaging=0.5, steps=8)
    optimizer.build([weight])
    for _ in range(3):
        optimizer.apply_gradients([(tf.constant([1.0]), weight)])
    np.testing.assert_allclose(weight, [-0.3], rtol=1e-5)
    optimizer.finalize_variable_values([weight])
    np.testing.assert_allclose(weight, [-0.1265625], rtol=1e-5)


def test_adam_steps_as_keras_does() -> None:
    """Also where rows of a table have no gradient, and one has two."""
    start, random = np.arange(8, dtype=np.float32).reshape(4, 2), np.random.default_rng(0)
    tables = {name: tf.Variable(start) for name in ("ours", "theirs")}
    layers = {name: tf.Variable(start) for name in ("ours", "theirs")}
    optimizers = {"ours": adam(0.1, 0.0, 1), "theirs": tf.keras.optimizers.Adam(0.1)}
    for rows in ([0, 2, 2], [1, 0, 1], [2, 2, 0]):
        slices, dense = random.normal(size=(3, 2)).astype(np.float32), random.normal(size=(4, 2)).astype(np.float32)
        for name, optimizer in optimizers.items():
            gradient = tf.IndexedSlices(tf.constant(slices), tf.constant(rows), tf.constant([4, 2]))
            optimizer.apply_gradients([(gradient, tables[name]), (tf.constant(dense), layers[name])])
    for variables in (tables, layers):
        np.testing.assert_allclose(variables["ours"], variables["theirs"], atol=1e-5)
        assert np.abs(variables["ours"].numpy() - start)[:3].min() > 0.01


@pytest.mark.parametrize(("averaging", "steps"), [(0.0, 100), (0.5, 2)])
def test_adam_without_an_average(averaging: float, steps: int) -> None:
    assert not adam(0.1, averaging, steps).use_ema


def test_autograph_leaves_nothing_in_the_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    model, seen = fresh_model(), []
    monkeypatch.setattr(
        model, "fit", lambda *args, fit=model.fit, **kw: (seen.append(tempfile.gettempdir()), fit(*args, **kw))[1]
    )
    train(model, batches, 1, tmp_path / "own")
    assert seen == [str(tmp_path / "own" / ".autograph")]
    assert not list(tmp_path.rglob("*autograph*")) and tempfile.gettempdir() == str(tmp_path)

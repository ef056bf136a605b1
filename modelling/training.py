"""The training loop of both stages.

`train` runs epochs with validation and early stopping, and writes checkpoints from which a killed training resumes
exactly; `window_batches` makes its batches. `transfer_weights` brings trained weights to another catalogue's products.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import tensorflow as tf

from nextbest.data.dataset import Array, positions_of
from nextbest.data.files import replace_folder, surviving_folder
from nextbest.graph.catalogue import Encoders

__all__ = [
    "Progress",
    "Training",
    "adam",
    "load_training",
    "make_deterministic",
    "reorder_rows",
    "restore",
    "train",
    "transfer_weights",
    "window_batches",
    "zeros_of_spec",
]

Progress = Callable[[str, float], None]
"""Called with what goes on (for people) and the share that is done, 0 to 1."""


@dataclass
class Training:
    """What a training came to."""

    losses: list[float] = field(default_factory=list)
    """Mean training loss per epoch."""
    scores: list[float] = field(default_factory=list)
    """Validation score per epoch, higher is better; empty without validation."""

    @property
    def best_epochs(self) -> int:
        """After how many epochs the validation score was highest (of equals the first); without validation the last."""
        return self.scores.index(max(self.scores)) + 1 if self.scores else len(self.losses)

    def exhausted(self, patience: int) -> bool:
        """Whether the last `patience` epochs brought nothing better."""
        return bool(self.scores) and len(self.scores) - self.best_epochs >= patience


def train(
    model: tf.keras.Model,
    batches: Callable[[int], tf.data.Dataset],
    epochs: int,
    checkpoints: Path,
    *,
    validate: Callable[[], float] | None = None,
    patience: int = 1,
    progress: Progress = lambda what, share: None,
) -> Training:
    """Train a compiled model, resuming from its checkpoints; afterwards it holds the best epoch's variables.

    Args:
        model: A compiled Keras model whose variables exist, with a metric `mean_loss`.
        batches: Epoch -> its batches; a function of the epoch alone, so that a resumed training sees the same.
        epochs: How many epochs at most.
        checkpoints: A folder of this training's own.
        validate: Returns the validation score, higher is better. Without it the last epoch is the best.
        patience: Stop after so many epochs without a better score.
        progress: Called after every epoch.
    """
    store = _Checkpoints(model, checkpoints)
    training = store.load("last") or Training()
    for epoch in range(len(training.losses), epochs):
        if training.exhausted(patience):
            break
        with _generated_code_in(checkpoints / ".autograph"):
            history = model.fit(batches(epoch), epochs=epoch + 1, initial_epoch=epoch, verbose=0)
        training.losses.append(float(history.history["mean_loss"][-1]))
        what = f"epoch {epoch + 1}, loss {training.losses[-1]:.4f}"
        if validate is not None:
            training.scores.append(validate())
            what += f", validation {training.scores[-1]:.4f}"
            if training.best_epochs == epoch + 1:
                store.save("best", training)
        store.save("last", training)
        progress(what, (epoch + 1) / epochs)
    if validate is not None:
        store.load("best")
    return training


@contextmanager
def _generated_code_in(folder: Path) -> Iterator[None]:
    """Let AutoGraph write the functions that it rewrites into a folder, which is gone after the block.

    It writes them into the temporary folder, where a killed process would leave them for good.
    """
    shutil.rmtree(folder, ignore_errors=True)  # what a killed process left
    folder.mkdir(parents=True)
    before, tempfile.tempdir = tempfile.tempdir, str(folder)
    try:
        yield
    finally:
        tempfile.tempdir = before
        shutil.rmtree(folder)


class _Checkpoints:
    """The last and the best epoch's variables in a folder, each replaced as a whole."""

    def __init__(self, model: tf.keras.Model, folder: Path) -> None:
        self._folder = folder
        self._checkpoint = tf.train.Checkpoint(model=model, optimizer=model.optimizer)

    def save(self, name: str, training: Training) -> None:
        with replace_folder(self._folder / name) as staging:
            self._checkpoint.write(str(staging / "variables"))
            (staging / "training.json").write_text(json.dumps(vars(training)))

    def load(self, name: str) -> Training | None:
        """Read a checkpoint, or return None."""
        folder = surviving_folder(self._folder / name)
        if folder is None:
            return None
        self._checkpoint.read(str(folder / "variables")).assert_existing_objects_matched()
        return Training(**json.loads((folder / "training.json").read_text()))


def load_training(checkpoints: Path) -> Training:
    """Return what a training has come to, by the checkpoints in its folder; before its first epoch nothing."""
    folder = surviving_folder(checkpoints / "last")
    return Training() if folder is None else Training(**json.loads((folder / "training.json").read_text()))


def restore(model: tf.keras.Model, checkpoints: Path) -> None:
    """Give a model the variables with which a training ended, without its optimizer.

    Args:
        model: A model of the same shape, whose variables exist.
        checkpoints: The folder of a finished training without validation.

    Raises:
        FileNotFoundError: There is no checkpoint.
    """
    folder = surviving_folder(checkpoints / "last")
    if folder is None:
        raise FileNotFoundError(f"{checkpoints} holds no checkpoint; train again")
    status = tf.train.Checkpoint(model=model).read(str(folder / "variables"))
    status.assert_existing_objects_matched().expect_partial()


def adam(learning_rate: float, averaging: float, steps: int) -> tf.keras.optimizers.Optimizer:
    """Return Adam, which leaves after each epoch an average of the weights over its last steps.

    Args:
        learning_rate: Step size.
        averaging: Over which share of an epoch (Polyak and Juditsky, "Acceleration of stochastic approximation by
            averaging", 1992; here with exponentially falling weights); 0 for the last step's weights.
        steps: Steps of an epoch.
    """
    span = max(averaging * steps, 1.0)
    return _FusedAdam(learning_rate, use_ema=span > 1, ema_momentum=1 - 1 / span)


class _FusedAdam(tf.keras.optimizers.Adam):
    """Adam with TensorFlow's one op a variable in place of Keras's many, which takes less time to trace."""

    def update_step(self, gradient: tf.Tensor | tf.IndexedSlices, variable: tf.Variable) -> None:
        """Take a step; rows of a table without a gradient move on as Keras moves them."""
        place = self._index_dict[self._var_key(variable)]
        step = tf.cast(self.iterations + 1, variable.dtype)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[place].handle,
            v=self._velocities[place].handle,
            beta1_power=self.beta_1**step,
            beta2_power=self.beta_2**step,
            lr=self.learning_rate,
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=tf.convert_to_tensor(gradient),
        )


def window_batches(window: Array, batch_size: int, seed: int, epoch: int) -> tf.data.Dataset:
    """Return an epoch's batches as a dataset of {"window": int32 scalar, "examples": int32 [at most batch_size]}.

    The order is drawn from (seed, epoch) alone; every example comes once. A window's examples are split evenly: a
    batch filled up with padding would be seen by batch normalisation and as in-batch negatives.

    Args:
        window: The window of each example, [num_examples].
        batch_size: Examples per batch at most.
        seed: The run's seed.
        epoch: The epoch, from 0.
    """
    random = np.random.default_rng([seed, epoch])
    windows: list[int] = []
    batches: list[Array] = []
    for number in np.unique(window):
        examples = random.permutation(np.flatnonzero(window == number)).astype(np.int32)
        split = np.array_split(examples, -(-len(examples) // batch_size))
        windows += [number] * len(split)
        batches += split
    order = random.permutation(len(batches))
    examples = tf.RaggedTensor.from_row_lengths(
        np.concatenate([batches[place] for place in order]), [len(batches[place]) for place in order]
    )
    return tf.data.Dataset.from_tensor_slices({"window": np.array(windows, np.int32)[order], "examples": examples})


def make_deterministic(seed: int) -> None:
    """Seed Python, NumPy and TensorFlow and choose deterministic kernels, for the whole process."""
    tf.keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()


def zeros_of_spec(spec: Mapping[str, tf.TensorSpec]) -> dict[str, tf.Tensor]:
    """Return zeros of tensor specifications, with 1 for each unknown dimension: calling a layer makes its variables."""
    sizes = {name: [1 if size is None else size for size in tensor.shape] for name, tensor in spec.items()}
    return {name: tf.zeros(sizes[name], tensor.dtype) for name, tensor in spec.items()}


def transfer_weights(
    build: Callable[[Encoders], tf.keras.Model], trained: Encoders, encoders: Encoders, checkpoints: Path
) -> tf.keras.Model:
    """Return a trained model in the positions of other products and categories.

    Args:
        build: Encoders -> a model whose variables exist; its `tables` are those with a row per product or category,
            and what their rows are of.
        trained: The encoders that the model was trained with.
        encoders: Others of the same columns.
        checkpoints: The folder of its training.
    """
    source, model = build(trained), build(encoders)
    restore(source, checkpoints)
    moved = {
        new.ref(): reorder_rows(old.numpy(), old_ids, new_ids)
        for (old, old_ids), (new, new_ids) in zip(source.tables, model.tables, strict=True)
    }
    for old, new in zip(source.variables, model.variables, strict=True):
        new.assign(moved[new.ref()] if new.ref() in moved else old.numpy())
    return model


def reorder_rows(rows: Array, old_ids: Array, new_ids: Array) -> Array:
    """Move the rows of a table to the positions that their ids have in another list.

    An id that was not known gets a row of zeros: nothing was learned of it, so its row adds nothing to a sum or to a
    score, and what the model reads of its features speaks alone. The row of an id that is gone is dropped.

    Args:
        rows: One row per old id, [num_old, ...].
        old_ids: Each once, [num_old].
        new_ids: [num_new].

    Returns:
        One row per new id, [num_new, ...].
    """
    order = np.argsort(old_ids)
    positions = positions_of(new_ids, old_ids[order])
    known = positions >= 0
    moved = np.zeros((len(new_ids), *rows.shape[1:]), rows.dtype)
    moved[known] = rows[order[positions[known]]]
    return moved

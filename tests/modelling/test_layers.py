import numpy as np
import pytest
import tensorflow as tf

from nextbest.data.config import EncoderConfig
from nextbest.graph.encoders import EncoderState, NumberState
from nextbest.modelling.layers import (
    DenseBlocks,
    FeatureEmbedding,
    SeededDropout,
    _LayerNormalization,
    masked_mean,
    step_variable,
)


def state(texts: tuple[str, ...] = (), **categories: tuple[str, ...]) -> EncoderState:
    number = NumberState(kind="number", transform="none", mean=0.0, scale=1.0, flag_missing=False)
    return EncoderState(config=EncoderConfig(), numbers={"age": number}, categories=categories, texts=texts)


def no_dropout() -> SeededDropout:
    return SeededDropout(0.0, 0, step_variable())


class TestSeededDropout:
    def masks(self, seed: int, steps: int) -> list[list[float]]:
        step = step_variable()
        dropout = SeededDropout(0.4, seed, step)
        drawn = []
        for _ in range(steps):
            step.assign_add(1)
            drawn.append(dropout.keep([50]).numpy().tolist())
        return drawn

    def test_the_mask_is_a_function_of_seed_and_step(self) -> None:
        assert self.masks(7, 3) == self.masks(7, 3)
        first, second, third = self.masks(7, 3)
        assert first != second
        assert second != third
        assert self.masks(8, 1) != [first]

    def test_the_rate_is_kept_and_so_is_the_mean(self) -> None:
        dropped = SeededDropout(0.25, 3, step_variable())(tf.ones([200, 200]), training=True).numpy()
        assert set(np.unique(dropped)) == {0.0, np.float32(1 / 0.75)}
        # 40,000 draws: the standard deviation of the share is sqrt(0.25 * 0.75 / 40000) = 0.0022.
        assert (dropped == 0).mean() == pytest.approx(0.25, abs=0.01)
        assert dropped.mean() == pytest.approx(1.0, abs=0.02)

    @pytest.mark.parametrize("rate", [0.02, 0.5, 0.9999999])
    def test_an_odd_number_of_elements_has_a_mask_of_its_shape(self, rate: float) -> None:
        kept = SeededDropout(rate, 3, step_variable()).keep(tf.constant([3, 5, 2111]))
        assert kept.shape == (3, 5, 2111)
        # 31,665 draws: the standard deviation of the share is at most sqrt(0.25 / 31665) = 0.0028.
        assert np.mean(kept) == pytest.approx(1 - rate, abs=0.012)

    def test_inference_changes_nothing(self) -> None:
        inputs = tf.random.stateless_normal([4, 5], [1, 2])
        np.testing.assert_array_equal(SeededDropout(0.9, 3, step_variable())(inputs), inputs)

    def test_rate_0_changes_nothing_in_training(self) -> None:
        np.testing.assert_array_equal(no_dropout()(tf.ones([2, 2]), training=True), np.ones((2, 2)))


class TestMaskedMean:
    def test_padding_does_not_count(self) -> None:
        # (1, 10) and (3, 30) with weight 1, (100, 100) with weight 0: the mean is (2, 20).
        vectors = tf.constant([[[1.0, 10.0], [3.0, 30.0], [100.0, 100.0]]])
        np.testing.assert_allclose(masked_mean(vectors, tf.constant([[1.0, 1.0, 0.0]])), [[2.0, 20.0]])

    def test_an_empty_list_is_0(self) -> None:
        np.testing.assert_array_equal(masked_mean(tf.ones([1, 3, 2]), tf.zeros([1, 3])), [[0.0, 0.0]])


class TestFeatureEmbedding:
    def test_each_column_has_its_places(self) -> None:
        known = NumberState(kind="number", transform="none", mean=0.0, scale=1.0, flag_missing=False)
        flagged = known.model_copy(update={"flag_missing": True})
        numbers = {"age": known, "income": flagged, "score": flagged}
        layer = FeatureEmbedding(
            EncoderState(config=EncoderConfig(), numbers=numbers, categories={"a": ("x",), "b": ()}, texts=("t", "u")),
            2,
            no_dropout(),
            num_extra_floats=3,
        )
        # Three numbers, two flags, three extra floats, and 2 dimensions each for a, b and all words.
        assert layer.places == {
            ("age",): (0,),
            ("income",): (1, 3),
            ("score",): (2, 4),
            (): (5, 6, 7),
            ("a",): (8, 9),
            ("b",): (10, 11),
            ("t", "u"): (12, 13),
        }
        assert layer.output_dim == 14

    def test_numbers_lead_and_each_category_has_its_own_rows(self) -> None:
        layer = FeatureEmbedding(state(a=("x", "y"), b=("z",)), 2, no_dropout())
        encoded = {
            "floats": tf.constant([[0.5]]),
            "categories": tf.constant([[1, 1]]),
            "tokens": tf.zeros([1, 0], tf.int32),
        }
        layer(encoded)
        # Sizes with 'unknown' are 3 and 2, so that the columns' rows are 0..2 and 3..4: index 1 is row 1 and row 4.
        layer.trainable_variables[0].assign(np.arange(10, dtype=np.float32).reshape(5, 2))
        np.testing.assert_array_equal(layer(encoded), [[0.5, 2.0, 3.0, 8.0, 9.0]])
        assert layer.output_dim == 5

    def test_words_are_averaged_without_padding(self) -> None:
        layer = FeatureEmbedding(state(texts=("about",)), 2, no_dropout())
        encoded = {
            "floats": tf.zeros([1, 1]),
            "categories": tf.zeros([1, 0], tf.int32),
            "tokens": tf.constant([[1, 2, 0, 0]]),
        }
        layer(encoded)
        weights = np.zeros((EncoderConfig().text_buckets, 2), np.float32)
        weights[:3] = [[9, 9], [1, 2], [3, 4]]  # row 0 is padding
        layer.trainable_variables[0].assign(weights)
        np.testing.assert_array_equal(layer(encoded), [[0.0, 2.0, 3.0]])

    def test_candidates_have_one_more_axis(self) -> None:
        layer = FeatureEmbedding(state(a=("x",)), 3, no_dropout(), num_extra_floats=2)
        encoded = {
            "floats": tf.zeros([4, 5, 3]),
            "categories": tf.zeros([4, 5, 1], tf.int32),
            "tokens": tf.zeros([4, 5, 0], tf.int32),
        }
        assert layer(encoded).shape == [4, 5, 6]

    def test_training_reads_some_categories_as_unknown(self) -> None:
        layer = FeatureEmbedding(state(a=("x",)), 1, SeededDropout(0.3, 1, step_variable()))
        encoded = {
            "floats": tf.zeros([1000, 1]),
            "categories": tf.ones([1000, 1], tf.int32),
            "tokens": tf.zeros([1000, 0], tf.int32),
        }
        layer(encoded)
        layer.trainable_variables[0].assign([[0.0], [1.0]])
        assert layer(encoded, training=True).numpy()[:, 1].mean() == pytest.approx(0.7, abs=0.05)
        assert layer(encoded).numpy()[:, 1].mean() == 1.0


class TestDenseBlocks:
    @pytest.mark.parametrize("shape", [[5], [5, 6]], ids=["rows", "candidates"])
    def test_the_last_width_comes_out(self, shape: list[int]) -> None:
        blocks = DenseBlocks((7, 3), 0.1, 1, step_variable())
        assert blocks(tf.ones([*shape, 4]), training=True).shape == [*shape, 3]

    def test_a_batch_of_one_equals_a_batch_of_many_at_inference(self) -> None:
        blocks = DenseBlocks((8,), 0.5, 1, step_variable())
        inputs = tf.random.stateless_normal([6, 4], [1, 2])
        blocks(inputs, training=True)
        many = blocks(inputs).numpy()
        np.testing.assert_allclose(np.concatenate([blocks(inputs[i : i + 1]) for i in range(6)]), many, 1e-5, 1e-6)

    def test_blocks_draw_different_masks(self) -> None:
        blocks = DenseBlocks((64, 64), 0.5, 1, step_variable())
        blocks(tf.ones([1, 4]))
        masks = [block[2].keep([64]).numpy().tolist() for block in blocks._blocks]
        assert masks[0] != masks[1]

    def test_layer_normalisation_is_that_of_keras(self) -> None:
        normalise = _LayerNormalization()
        inputs = 3 + tf.random.stateless_normal([4, 5, 6], [1, 2])
        normalise(inputs)
        for variable, value in zip(normalise.variables, ([1.0, -2, 3, 0.5, 2, 4], [0.0, 1, 2, 3, 4, 5]), strict=True):
            variable.assign(value)
        keras = tf.keras.layers.LayerNormalization()
        keras(inputs)
        keras.set_weights(normalise.get_weights())
        np.testing.assert_allclose(normalise(inputs), keras(inputs), rtol=1e-5, atol=1e-5)

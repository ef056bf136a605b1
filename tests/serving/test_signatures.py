"""What every exported model takes and gives: the contract of a TF Serving operator."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from nextbest.data.config import EntityConfig
from nextbest.data.dataset import Features
from nextbest.serving.recommender import Recommender
from tests.serving.servables import SERVABLES, Served, rows
from tests.trained import Trained

NUM_PRODUCTS, EMBEDDING_DIM = 40, 8  # the small bank's TOML says so
MEMBERS = 2  # by default
ONE, MANY = (None,), (None, None)

Tensors = dict[str, tuple[str, tuple[int | None, ...]]]
"""Name -> type and shape."""

EXAMPLES: Tensors = {"examples": ("string", ONE)}
K: Tensors = {"k": ("int64", ONE)}
FILTERS: Tensors = {"max_risk": ("float32", ONE), "categories": ("string", MANY), "exclude": ("string", MANY)}
HISTORY: Tensors = {
    "held_products": ("string", MANY),
    "held_days": ("int64", MANY),
    "recent_products": ("string", MANY),
    "recent_days": ("int64", MANY),
    "closed_products": ("string", MANY),
    "closed_days": ("int64", MANY),
    "as_of_day": ("int64", ONE),
}
CANDIDATES: Tensors = {"candidates": ("string", MANY), "similarity": ("float32", MANY)}
PRODUCT: Tensors = {"product_id": ("string", ONE)}
EMBEDDING: Tensors = {"embedding": ("float32", (None, MEMBERS * EMBEDDING_DIM))}
RETRIEVED: Tensors = {"product_id": ("string", MANY), "similarity": ("float32", MANY), "count": ("int32", ONE)}
RANKED: Tensors = {"logit": ("float32", MANY), "probability": ("float32", MANY)}
SCORED: Tensors = {"probability": ("float32", MANY), "similarity": ("float32", MANY)}
RECOMMENDED: Tensors = RETRIEVED | {"probability": ("float32", MANY), "retrieval_rank": ("int32", MANY)}
# The bank's columns, with categories, words and crosses of categories in 8 dimensions (retrieval) or in 6 (ranking).
CUSTOMER = {"retrieval": 12 + 8 * 7, "ranking": 12 + 6 * 7}
PRODUCTS = 11 + 8 + 6 * 5 + 6  # with 8 numbers of popularity, and a text
CROSSES = 1 + 2 * 4 + 2 + 2 + 3 * 5 + 1 + 4  # similarity, pairs, seen, held, own closure, same groups, segment, gaps
VECTORS: dict[str, Tensors] = {
    "ranking": {"ranking_features": ("float32", (None, CUSTOMER["ranking"] + PRODUCTS + CROSSES + 6 * 7 + 4))},
    "retrieval": {
        "retrieval_features": ("float32", (None, MEMBERS * (CUSTOMER["retrieval"] + 3 * (2 * EMBEDDING_DIM + 1))))
    },
}
SCORES: dict[str, Tensors] = {"ranking": {"log_odds": ("float32", ONE)}, "retrieval": {"similarity": ("float32", ONE)}}
REASONS: Tensors = {"product_id": ("string", (None, NUM_PRODUCTS)), "reason": ("string", (None, NUM_PRODUCTS))}


def contract(columns: Tensors, packed: Tensors, encoded: Tensors) -> dict[str, dict[str, tuple[Tensors, Tensors]]]:
    """Return servable -> signature -> its inputs and outputs."""
    query = columns | HISTORY
    stage = {
        "transform_features": (EXAMPLES, encoded),
        "embed_customer": (query, EMBEDDING),
        "embed_product": (PRODUCT, EMBEDDING),
    }
    retrieval = stage | {"serving_default": (EXAMPLES, RETRIEVED), "retrieve": (query | K, RETRIEVED)}
    return {
        "retrieval": retrieval,
        "retrieval_scann": retrieval,
        "ranking": {
            "serving_default": (EXAMPLES, RANKED),
            "transform_features": (EXAMPLES, encoded),
            "rank": (query | CANDIDATES, RANKED),
        },
        "recommender": stage
        | {
            "serving_default": (EXAMPLES, RECOMMENDED),
            "recommend": (query | FILTERS | K, RECOMMENDED),
            "recommend_packed": (packed | HISTORY | K | FILTERS_OF_LISTS, RECOMMENDED),
            "exclusions": (query | FILTERS, REASONS),
            "score_products": (query | {"candidates": CANDIDATES["candidates"]}, SCORED),
            "feature_vectors": (
                query | PRODUCT,
                VECTORS["ranking"] | SCORES["ranking"] | VECTORS["retrieval"] | SCORES["retrieval"],
            ),
            "score_ranking": (VECTORS["ranking"], SCORES["ranking"]),
            "score_retrieval": (VECTORS["retrieval"] | PRODUCT, SCORES["retrieval"]),
        },
    }


FILTERS_OF_LISTS = {name: FILTERS[name] for name in ("categories", "exclude")}  # max_risk is among the numbers


def tensors(infos: Any) -> Tensors:
    return {
        name: (
            tf.as_dtype(info.dtype).name,
            tuple(None if dim.size == -1 else dim.size for dim in info.tensor_shape.dim),
        )
        for name, info in infos.items()
    }


def test_the_signatures_are_those_of_the_contract(served: dict[str, Served], trained: Trained) -> None:
    customers = EntityConfig.model_validate(tomllib.loads(trained.config.read_text())["data"]["customers"])
    roles = {name: column.role for name, column in customers.columns.items() if column.role != "id"}
    numbers = [name for name, role in roles.items() if role in ("number", "boolean", "date")]
    categories = [name for name, role in roles.items() if role == "category"]
    assert len(numbers) + len(categories) == len(roles)  # the bank has no texts
    columns: Tensors = {name: ("float32" if name in numbers else "string", ONE) for name in roles}
    packed: Tensors = {
        "numbers": ("float32", (None, len(numbers) + 1)),  # and max_risk
        "words": ("string", (None, len(categories))),
    }
    lists: Tensors = {name: ("int32", MANY) for name in ("held", "recent", "closed")}
    ages: Tensors = {f"{name}_age": ("float32", MANY) for name in lists}
    encoded = (
        lists
        | ages
        | {
            "floats": ("float32", (None, len(numbers))),  # the bank's numbers are all known, so none is flagged
            "categories": ("int32", (None, len(categories))),
            "tokens": ("int32", (None, 0)),
        }
    )
    expected = contract(columns, packed, encoded)
    for name, model in served.items():
        found = {
            signature: (tensors(definition.inputs), tensors(definition.outputs))
            for signature, definition in model.signatures.items()
        }
        assert found == expected[name], name


def test_all_servables_are_there(served: dict[str, Served], trained: Trained) -> None:
    assert {folder.name for folder in trained.models.iterdir() if folder.is_dir()} >= set(SERVABLES) == set(served)


@pytest.mark.parametrize("name", SERVABLES)
def test_the_batch_comes_first_and_changes_no_answer(served: dict[str, Served], inputs: Features, name: str) -> None:
    model = served[name]
    for signature in model.signatures:
        whole = model.ask(signature, inputs)
        assert {len(values) for values in whole.values()} == {7}, signature
        alone = [model.ask(signature, rows(inputs, slice(row, row + 1))) for row in range(7)]
        nobody = model.ask(signature, rows(inputs, slice(0)))
        for output, values in whole.items():
            assert nobody[output].dtype == values.dtype and len(nobody[output]) == 0, (signature, output)
            for row, single in enumerate(alone):
                assert_row(values[row], single[output], (signature, output, row))


def assert_row(of_batch: Any, alone: Any, where: Any) -> None:
    """A row of a batch is the row alone, and padding where the batch is wider."""
    assert len(alone) == 1
    row = alone[0]
    width = np.shape(row)[0] if np.ndim(row) else None
    found = of_batch[:width] if width is not None else of_batch
    if np.asarray(row).dtype.kind == "f":
        np.testing.assert_allclose(found, row, rtol=1e-5, atol=1e-6, err_msg=str(where))
    else:
        np.testing.assert_array_equal(found, row, err_msg=str(where))
    if width is not None and len(of_batch) > width:
        padding = {"S": b"", "O": b"", "f": 0}.get(of_batch.dtype.kind, 0)
        assert set(of_batch[width:].tolist()) <= {padding, -1}, where


def test_the_dot_product_of_the_embeddings_is_the_similarity(
    served: dict[str, Served], inputs: Features, recommender: Recommender
) -> None:
    found = served["recommender"].ask("recommend", inputs | {"k": np.full(7, 5)})
    for name in ("retrieval", "retrieval_scann", "recommender"):
        customers = served[name].ask("embed_customer", inputs)["embedding"]
        for row, count in enumerate(found["count"]):
            ids = found["product_id"][row, :count]
            products = served[name].ask("embed_product", {"product_id": ids})["embedding"]
            np.testing.assert_allclose(products @ customers[row], found["similarity"][row, :count], atol=1e-6)
    assert found["count"].any()
    everything = served["recommender"].ask("embed_product", {"product_id": recommender.products.ids})["embedding"]
    np.testing.assert_allclose(np.linalg.norm(everything, axis=1), 1, rtol=1e-5)


def test_exclusions_name_all_products_in_every_row(
    served: dict[str, Served], inputs: Features, recommender: Recommender
) -> None:
    found = served["recommender"].ask("exclusions", inputs)
    names = np.char.decode(found["product_id"].astype(bytes))
    np.testing.assert_array_equal(names, np.tile(recommender.products.ids.astype(str), (7, 1)))


SHOW_ALL = """
import importlib.abc, runpy, sys
cli, *folders = sys.argv[1:]

class WithoutKeras(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.startswith("tf_keras."):
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, WithoutKeras())
for folder in folders:
    sys.argv = [cli, "show", "--dir", folder, "--tag_set", "serve"]
    print("MODEL", folder)
    try:
        runpy.run_path(cli, run_name="__main__")
    except SystemExit as end:
        assert not end.code
"""


def test_saved_model_cli_lists_them_without_our_code(trained: Trained, served: dict[str, Served]) -> None:
    cli = Path(sys.executable).with_name("saved_model_cli")
    told = subprocess.run(
        [sys.executable, "-I", "-c", SHOW_ALL, cli, *(trained.models / name / "1" for name in SERVABLES)],
        capture_output=True,
        text=True,
        cwd=trained.models,
        env={"TF_CPP_MIN_LOG_LEVEL": "3", "TF_USE_LEGACY_KERAS": "1"},
    )
    assert told.returncode == 0, told.stderr[-2000:]
    _, *shown = told.stdout.split("MODEL ")
    for name, text in zip(SERVABLES, shown, strict=True):
        for signature in served[name].signatures:
            assert f'SignatureDef key: "{signature}"' in text

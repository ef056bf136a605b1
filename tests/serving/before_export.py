"""What the models of the shared run answered before they were exported, while they were still in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from nextbest.data.snapshot import NO_PRODUCT, take_snapshot
from nextbest.graph.catalogue import fit_encoders
from nextbest.graph.query import encode_customers, raw_request
from nextbest.pipeline.run import open_run
from nextbest.serving.recommender import Filters, Recommender
from tests.serving.serialized import examples

SIZES = (1, 7, 1000)
K = 6


def answers_before_export(
    run_folder: Path, models: Path, retriever: Any, ranker: Any, composite: Any
) -> dict[str, Any]:
    """Return inputs for all signatures of 1,000 customers (the bank's, repeated), and the answers in training."""
    recommender = Recommender.load(models)
    run = open_run(run_folder, lambda what: lambda doing, share: None)
    day = run.windows.test.cutoff
    snapshot = take_snapshot(run.history, day, run.config.data.windows)
    rows = np.arange(max(SIZES)) % len(run.history.customers)
    ids = run.history.products.ids
    request = raw_request(snapshot, ids, recommender.customer_columns, recommender.history_lists, rows)

    encoders = fit_encoders(run.history, day, run.config.data)
    encoded = encode_customers(snapshot, encoders.query_encoder(), rows)
    embedding, products = retriever.embed(encoded).numpy(), retriever.product_embeddings.numpy()
    cosines = np.where(snapshot.holdings[rows].toarray() > 0, -np.inf, embedding @ products.T)
    best = np.argsort(-cosines, axis=1, kind="stable")[:, :K]
    similarity = np.take_along_axis(cosines, best, axis=1).astype(np.float32)
    assert np.isfinite(similarity).all()  # nobody of this bank holds nearly all products

    candidates = best.astype(np.int32)
    candidates[:, -1] = NO_PRODUCT
    logit, probability = ranker.score(encoded, candidates, similarity)
    filters = Filters(max_risk=3).arrays(len(rows))
    asked = recommender.complete(request | filters, len(rows)) | {"k": np.full(len(rows), K)}
    given = {name: tf.constant(asked[name], spec.dtype) for name, spec in composite.example_spec().items()}
    recommended = {name: values.numpy() for name, values in composite.recommend(given).items()}

    retrieved = {"product_id": ids[best], "similarity": similarity, "count": np.full(len(rows), K)}
    known = candidates != NO_PRODUCT
    ranked = {"probability": np.where(known, probability, 0)}
    assert np.isfinite(logit).all()
    some = rows % len(ids)
    return {
        "inputs": asked
        | {
            "candidates": np.where(known, ids[candidates], ""),
            "similarity": similarity,
            "product_id": ids[some],
            "examples": np.array([example.hex() for example in examples(asked).numpy()]),
        },
        "encoded": encoded,
        "answers": {
            "retrieval/retrieve": retrieved,
            "retrieval_scann/retrieve": retrieved,
            "ranking/rank": ranked,
            "recommender/recommend": recommended,
            "recommender/serving_default": recommended,
        }
        | {f"{name}/embed_customer": {"embedding": embedding} for name in ("retrieval", "recommender")}
        | {f"{name}/embed_product": {"embedding": products[some]} for name in ("retrieval", "recommender")},
    }

"""Exact search and ScaNN on catalogues of many sizes: the composites, and the indexes beside those of other libraries.

python -m benchmarks.catalogue_size --products 10000 100000 1000000 --out DIR

The products' embeddings lie in clusters, and a customer's is the middle of what the customer holds, of a few tastes: as
trained towers place them, without a training of hours. Rules keep out about half of the catalogue. All else is the
product's own code: the stages, the policy and the composites are exported and loaded. The ranker is untrained, since
its weights cost the same; its statistics are those of up to a million holdings, ten of each product.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from benchmarks.synthetic_catalogue import DATA, DAY, DIM, SEED, Catalogue
from benchmarks.versus import Row, compare, write_rows
from nextbest.data.config import EncoderConfig
from nextbest.data.dataset import Array
from nextbest.data.feature_names import NamedFeature
from nextbest.data.snapshot import NO_PRODUCT
from nextbest.data.statistics import StatisticsConfig
from nextbest.graph.catalogue import Encoders
from nextbest.graph.encoders import FeatureEncoder, fit_encoder
from nextbest.modelling.training import zeros_of_spec
from nextbest.ranking.calibration import Calibration
from nextbest.ranking.config import RankingConfig
from nextbest.ranking.examples import CatalogueStatistics
from nextbest.ranking.export import RankingServable, save_ranking
from nextbest.ranking.model import RankingModel
from nextbest.retrieval.export import RetrievalServable, save_retrieval
from nextbest.retrieval.index_choice import IndexChoice, choose_index, enough_to_retrieve
from nextbest.retrieval.indexes import ExactIndex, ScannIndex
from nextbest.retrieval.towers import pool_products
from nextbest.retrieval.training import Retriever
from nextbest.serving.backends.local import LocalBackend
from nextbest.serving.composite import RecommenderServable, save_recommender

CANDIDATES = 100
TUNING, UNSEEN = 512, 1024
"""How many customers tune ScaNN, and how many others it is measured on."""


class HoldingsTower:
    """A customer tower without weights: the middle of what is held."""

    variables: tuple[tf.Variable, ...] = ()

    def __init__(self, embeddings: tf.Variable) -> None:
        self._embeddings = embeddings

    def served(self) -> HoldingsTower:
        """See `retrieval.towers`."""
        return self

    def __call__(self, encoded: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Embed encoded queries, [batch, DIM]."""
        return self.embed(self.features(encoded))

    def features(self, encoded: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Pool the holdings, [batch, DIM]."""
        weights = tf.cast(encoded["held"] != NO_PRODUCT, tf.float32)[:, :, None]
        return pool_products(partial(tf.gather, self._embeddings), encoded["held"], weights)

    def embed(self, features: tf.Tensor) -> tf.Tensor:
        """Give them length 1."""
        return tf.math.l2_normalize(features, axis=1)

    def named_features(self) -> list[NamedFeature]:
        """See `retrieval.towers`."""
        return [NamedFeature(kind="customer", name="held", places=tuple(range(DIM)))]


def export(catalogue: Catalogue, folder: Path) -> tuple[ExactIndex, ScannIndex, IndexChoice]:
    """Export the stages and both composites below a folder, and return the indexes, ScaNN's as it is tuned."""
    config = EncoderConfig()
    encoders = Encoders(
        customers=fit_encoder(catalogue.customers, DATA.customers.columns, config, DAY),
        products=fit_encoder(catalogue.products, DATA.products.columns, config, DAY),
        product_ids=catalogue.ids,
        list_lengths=DATA.list_lengths,
    )
    exact, scann = ExactIndex().index(catalogue.embeddings), ScannIndex().index(catalogue.embeddings)
    rows = np.arange(TUNING)
    queries = embed(catalogue, rows)
    retrieved = enough_to_retrieve(
        catalogue.embeddings, queries, lambda chunk: catalogue.allowed(rows[chunk]), CANDIDATES
    )
    choice = choose_index(exact, scann, queries, retrieved, "scann")
    tuned = scann.searching(choice.leaves_searched, choice.reordered)
    _export_ranking(catalogue, encoders, folder / "ranking")
    retrievals = {"recommender": ("retrieval", exact, None), "recommender_scann": ("retrieval_scann", tuned, retrieved)}
    for composite, (stage, index, width) in retrievals.items():
        tower: Any = HoldingsTower(index.embeddings)
        retriever = Retriever(DAY, encoders, tower, catalogue.embeddings)
        save_retrieval(RetrievalServable(retriever, index, 5), folder / stage)
        servable = RecommenderServable(
            folder / stage,
            folder / "ranking",
            DATA.policy,
            catalogue.products,
            candidates=CANDIDATES,
            default_k=5,
            as_of_day=DAY,
            retrieved=width,
        )
        save_recommender(servable, folder / composite)
    return exact, tuned, choice


def _export_ranking(catalogue: Catalogue, encoders: Encoders, folder: Path) -> None:
    statistics = StatisticsConfig()
    products = FeatureEncoder(encoders.products)(
        {name: tf.constant(values) for name, values in catalogue.products.items()},
        as_of_day=tf.fill([len(catalogue.ids)], np.int64(DAY)),
    )
    encoded = {name: tensor.numpy() for name, tensor in products.items()}
    computed = catalogue.statistics(statistics, encoders.customers.category_sizes[0])
    encoded["floats"] = np.concatenate([encoded["floats"], computed.popularity], axis=1)
    state = CatalogueStatistics(encoded, computed.segments, computed.pairs)
    model = RankingModel(encoders, statistics, DATA, RankingConfig(), SEED)
    some = tf.zeros([1, 2], tf.int32)
    arrays = {name: tf.constant(values) for name, values in state.arrays().items()}
    model.score(zeros_of_spec(encoders.encoded_spec()), some, tf.zeros([1, 2]), arrays)
    servable = RankingServable(model, encoders, state, Calibration(slope=1.0, intercept=0.0), DAY)
    save_ranking(servable, folder)


def embed(catalogue: Catalogue, rows: Array) -> Array:
    """Return what the tower makes of customers, [num_rows, DIM]."""
    middle = catalogue.embeddings[catalogue.held[rows]].sum(axis=1)
    return np.asarray(middle / np.linalg.norm(middle, axis=1, keepdims=True))


def composites(catalogue: Catalogue, folder: Path, choice: IndexChoice, batches: tuple[int, ...]) -> list[Row]:
    """Compare the loaded composites, and say how much of the exact candidates ScaNN's finds of unseen customers."""
    models = {name: LocalBackend(folder / name) for name in ("recommender", "recommender_scann")}
    unseen = TUNING + np.arange(min(UNSEEN, 256 if len(catalogue.ids) > 200_000 else UNSEEN))
    found = []
    for model in models.values():
        parts = [
            model.predict("recommend", catalogue.request(unseen[first : first + 64]) | {"k": np.full(64, CANDIDATES)})
            for first in range(0, len(unseen), 64)
        ]
        found.append(np.concatenate([part["product_id"] for part in parts]))
    shared = np.mean([np.isin(exact, scann).mean() for exact, scann in zip(*found, strict=True)])
    note = (
        f"recall@{CANDIDATES} {shared:.4f}; {choice.leaves_searched} of {choice.leaves} leaves, "
        f"{choice.reordered} reordered, {choice.retrieved} retrieved"
    )
    rows = []
    for batch in batches:
        request = catalogue.request(TUNING + np.arange(batch))
        rows += compare(
            f"{len(catalogue.ids):,} products, composite, batch {batch}",
            {name: partial(model.predict, "recommend", request) for name, model in models.items()},
            {"recommender_scann": note},
        )
    return rows


def indexes(catalogue: Catalogue, exact: ExactIndex, scann: ScannIndex, batches: tuple[int, ...]) -> list[Row]:
    """Compare the indexes alone with those of other libraries, at about the recall that ScaNN was tuned to."""
    unseen = TUNING + np.arange(256)
    queries = embed(catalogue, unseen)
    true = np.concatenate([exact(tf.constant(part), k=CANDIDATES)[1].numpy() for part in np.split(queries, 4)])
    searches: dict[str, Callable[[Array], Array]] = {
        "exact, TensorFlow": _graph(exact),
        "ScaNN in TensorFlow, ours": _graph(scann),
        **_peers(catalogue, scann, queries, true),
    }
    notes = {name: f"recall@{CANDIDATES} {_recall(search(queries), true):.4f}" for name, search in searches.items()}
    rows = []
    for batch in batches:
        asked = queries[:batch]
        work = f"{len(catalogue.ids):,} products, index, batch {batch}"
        rows += compare(work, {name: partial(search, asked) for name, search in searches.items()}, notes)
    return rows


def _graph(index: ExactIndex | ScannIndex) -> Callable[[Array], Array]:
    call = tf.function(lambda queries: index(queries, k=CANDIDATES)[1], reduce_retracing=True)
    return lambda queries: call(tf.constant(queries)).numpy()


def _peers(catalogue: Catalogue, ours: ScannIndex, queries: Array, true: Array) -> dict[str, Callable[[Array], Array]]:
    """Build faiss' HNSW and ScaNN by its own builder, with SOAR, each searched as little as reaches the recall."""
    import faiss
    import scann

    hnsw = faiss.IndexHNSWFlat(DIM, 32, faiss.METRIC_INNER_PRODUCT)
    hnsw.hnsw.efConstruction = 80
    hnsw.add(catalogue.embeddings)

    def by_hnsw(asked: Array) -> Array:
        return np.asarray(hnsw.search(asked, CANDIDATES)[1])

    for hnsw.hnsw.efSearch in (100, 150, 200, 300, 500, 800, 1500):
        if _recall(by_hnsw(queries), true) >= 0.99:
            break
    searcher = (
        scann.scann_ops_pybind.builder(catalogue.embeddings, CANDIDATES, "dot_product")
        .tree(ours.leaves, ours.config.leaves_searched, training_sample_size=250_000, soar_lambda=1.5)
        .score_ah(2, anisotropic_quantization_threshold=0.2)
        .reorder(ours.config.reordered)
        .build()
    )

    def by_scann(asked: Array, leaves: int) -> Array:
        return np.asarray(searcher.search_batched(asked, leaves_to_search=leaves)[0])

    usual = ours.config.leaves_searched
    for leaves in sorted({max(1, round(usual * share)) for share in (0.4, 0.6, 0.8, 1, 1.3, 2)}):
        if _recall(by_scann(queries, leaves), true) >= 0.99:
            break
    return {"faiss HNSW, M 32": by_hnsw, "ScaNN's own builder, SOAR": partial(by_scann, leaves=leaves)}


def _recall(found: Array, true: Array) -> float:
    return float(np.mean([np.isin(wanted, given).mean() for given, wanted in zip(found, true, strict=True)]))


def memory(folder: Path, num_products: int, batch: int) -> None:
    """Answer a batch by ScaNN's composite, and print the most memory that this process ever had."""
    catalogue = Catalogue.draw(num_products, TUNING + batch)
    request = catalogue.request(TUNING + np.arange(batch))
    del catalogue
    LocalBackend(folder / "recommender_scann").predict("recommend", request)
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    print(f"{int(line.split()[1]) / 2**20:.2f} GB at most, {num_products:,} products, batch {batch}", flush=True)


def main() -> None:
    """Measure each catalogue."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--products", type=int, nargs="+", default=[10_000, 30_000, 100_000])
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 256])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--memory", type=int, help="measure the memory of one batch of so many instead")
    arguments = parser.parse_args()
    rows: list[Row] = []
    for num_products in arguments.products:
        folder, batches = arguments.out / str(num_products), tuple(arguments.batches)
        if arguments.memory:
            memory(folder, num_products, arguments.memory)
            continue
        catalogue = Catalogue.draw(num_products, TUNING + max(UNSEEN, *batches))
        exact, scann, choice = export(catalogue, folder)
        rows += indexes(catalogue, exact, scann, batches)
        del exact, scann
        rows += composites(catalogue, folder, choice, batches)
        write_rows(rows, arguments.out, "catalogue_size")
        command = [sys.executable, "-m", "benchmarks.catalogue_size", "--products", str(num_products)]
        subprocess.run([*command, "--out", str(arguments.out), "--memory", "1024"], check=True)


if __name__ == "__main__":
    main()

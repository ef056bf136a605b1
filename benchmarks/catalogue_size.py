"""Exact search and ScaNN on catalogues of many sizes: the composites, and the indexes beside those of other libraries.

python -m benchmarks.catalogue_size --products 10000 100000 1000000 --out DIR

The products' embeddings lie in clusters, and a customer's is the middle of what the customer holds, of a few tastes: as
trained towers place them, without a training of hours. Rules keep out about half of the catalogue. All else is the
product's own code: the stages, the policy and the composites are exported and loaded. The ranker is untrained, since
its weights cost the same.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from benchmarks.versus import Row, compare, write_rows
from nextbest.data.config import DataConfig, EncoderConfig
from nextbest.data.dataset import Array, Features
from nextbest.data.feature_names import NamedFeature
from nextbest.data.snapshot import NO_PRODUCT
from nextbest.data.statistics import StatisticsConfig
from nextbest.graph.catalogue import Encoders
from nextbest.graph.encoders import FeatureEncoder, fit_encoder
from nextbest.graph.policy import SuitabilityPolicy
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

DIM, DAY, CANDIDATES, HELD, SEED = 128, 20_000, 100, 6, 7
TUNING, UNSEEN = 512, 1024
"""How many customers tune ScaNN, and how many others it is measured on."""
COLUMN = {"role": "number"}
DATA = DataConfig.model_validate(
    {
        "customers": {
            "path": "customers.csv",
            "id": "customer_id",
            "columns": {"age": COLUMN, "income": COLUMN, "risk_tolerance": COLUMN, "segment": {"role": "category"}},
        },
        "products": {
            "path": "products.csv",
            "id": "product_id",
            "columns": {"risk_level": COLUMN, "min_income": COLUMN, "category": {"role": "category"}},
        },
        "interactions": {"path": "interactions.csv"},
        "segment": "segment",
        "policy": {
            "risk_column": "risk_level",
            "category_column": "category",
            "rules": [
                {"customer": "risk_tolerance", "op": ">=", "product": "risk_level", "reason": "too risky"},
                {"customer": "income", "op": ">=", "product": "min_income", "reason": "asks for a higher income"},
            ],
        },
    }
)


@dataclass(frozen=True)
class Catalogue:
    """A synthetic catalogue and its customers."""

    ids: Array
    products: Features
    """Raw columns, [num_products]."""
    embeddings: Array
    """[num_products, DIM], each of length 1."""
    customers: Features
    """Raw columns, [num_customers]."""
    held: Array
    """Product positions, int32 [num_customers, HELD]."""

    @classmethod
    def draw(cls, num_products: int, num_customers: int) -> Catalogue:
        """Draw one."""
        random = np.random.default_rng(SEED)
        num_clusters = max(8, int(num_products**0.5) // 2)
        cluster = random.integers(num_clusters, size=num_products)
        centres = random.normal(size=(num_clusters, 24)) @ random.normal(size=(24, DIM)) / 24**0.5
        embeddings = centres[cluster] + 0.7 * random.normal(size=(num_products, DIM))
        embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
        by_cluster = np.argsort(cluster, kind="stable")
        first = np.searchsorted(cluster[by_cluster], np.arange(num_clusters + 1))
        tastes = random.integers(num_clusters, size=(num_customers, 2))[:, np.arange(HELD) % 2]
        spread = np.maximum(first[tastes + 1] - first[tastes], 1)
        place = np.minimum(first[tastes] + (random.random(tastes.shape) * spread).astype(int), num_products - 1)
        return cls(
            ids=np.array([f"P{number:07d}" for number in range(num_products)], object),
            products={
                "risk_level": random.integers(1, 6, num_products).astype(np.float32),
                "min_income": random.choice([np.nan, 1e4, 3e4, 6e4], num_products).astype(np.float32),
                "category": random.choice([f"category {number}" for number in range(20)], num_products).astype(object),
            },
            embeddings=embeddings.astype(np.float32),
            customers={
                "age": random.integers(18, 90, num_customers).astype(np.float32),
                "income": random.gamma(3, 15_000, num_customers).astype(np.float32),
                "risk_tolerance": random.integers(2, 6, num_customers).astype(np.float32),
                "segment": random.choice(["mass", "affluent", "private"], num_customers).astype(object),
            },
            held=by_cluster[place].astype(np.int32),
        )

    def request(self, rows: Array) -> Features:
        """Return customers as inputs of `recommend`."""
        batch = len(rows)
        nothing, no_days = np.zeros((batch, 0), object), np.zeros((batch, 0), np.int64)
        return {
            **{name: values[rows] for name, values in self.customers.items()},
            "held_products": self.ids[self.held[rows]],
            "held_days": np.full((batch, HELD), DAY - 100),
            "recent_products": nothing,
            "recent_days": no_days,
            "as_of_day": np.full(batch, DAY),
            "k": np.full(batch, 5),
            "max_risk": np.full(batch, np.nan, np.float32),
            "categories": nothing,
            "exclude": nothing,
        }

    def allowed(self, rows: Array) -> Array:
        """Return whether each product may be shown, bool [num_rows, num_products]."""
        policy = SuitabilityPolicy(DATA.policy, self.products, len(self.ids))
        allowed = policy.suitable_array(self.customers, rows).copy()
        np.put_along_axis(allowed, self.held[rows].astype(np.int64), False, axis=1)
        return allowed


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
    unknown = np.zeros((len(catalogue.ids), statistics.num_popularity), np.float32)
    encoded["floats"] = np.concatenate([encoded["floats"], unknown], axis=1)
    segments = np.zeros((encoders.customers.category_sizes[0], len(catalogue.ids)), np.float32)
    none = np.zeros((len(statistics.pairs), 0, 0), np.float32)
    state = CatalogueStatistics(encoded, segments, none)
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

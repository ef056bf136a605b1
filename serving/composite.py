"""The recommender model (the composite): raw customer in, masked, retrieved and ranked products out, in one graph.

It is made of the two stages' SavedModels and the suitability policy; no training code is loaded.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from nextbest.data.dataset import Features
from nextbest.data.rules import PolicyConfig
from nextbest.data.snapshot import NO_PRODUCT
from nextbest.graph.catalogue import MASKED_SCORE
from nextbest.graph.served_inputs import FILTER_INPUTS
from nextbest.graph.signatures import clip_k, examples_signature, graph_function, input_specs, require, signature
from nextbest.serving.candidates import CandidateSearch, ExactCandidates, ScannCandidates
from nextbest.serving.eligibility import Eligibility

__all__ = ["RecommenderServable", "Stages", "save_recommender"]


@dataclass(frozen=True)
class Stages:
    """The stages' loaded models. TensorFlow tracks nothing in a dataclass, so that it does not export all of them."""

    retrieval: Any
    ranking: Any


class RecommenderServable(tf.Module):
    """Retrieves, applies the policy, the holdings and the filters, and ranks.

    Signatures: `recommend` (a raw request with `k`, `max_risk`, `categories` and `exclude`), `recommend_packed` (the
    same with all columns of one value in two inputs, which costs a client less), `serving_default` (the same in
    tf.Examples, where a k that is left out is the export's), `exclusions` (a raw request with the filters to the reason
    why each product must not be shown, '' where it may), for explanations `score_products` (a raw request with
    `candidates` to what `recommend` would say of these products, whatever the rules say), `feature_vectors`,
    `score_ranking` and `score_retrieval`, and, as the retrieval stage has them, `embed_customer`, `embed_product` and
    `transform_features`.
    Every input and output has a row per customer, k too, so that a server may join requests. The first three return,
    best first and padded with '' and 0 to the largest k of the batch (to the catalogue's size where that is smaller):

        product_id      string  [batch, k]
        probability     float32 [batch, k]  calibrated probability of a purchase within the horizon
        similarity      float32 [batch, k]  retrieval's cosine
        retrieval_rank  int32   [batch, k]  place before ranking, from 1
        count           int32   [batch]     how many products were found; the others are padding
    """

    def __init__(
        self,
        retrieval: Path,
        ranking: Path,
        policy: PolicyConfig,
        products: Features,
        *,
        candidates: int,
        default_k: int,
        as_of_day: int,
        retrieved: int | None = None,
        numbers: Collection[str] = (),
    ) -> None:
        """Join the stages.

        Args:
            retrieval: The retrieval stage's SavedModel.
            ranking: The ranking stage's SavedModel.
            policy: The suitability policy.
            products: Raw product columns, [num_products], in the order of the stages' product ids.
            candidates: How many retrieved products are ranked, at least k.
            default_k: The k of a tf.Example that names none.
            as_of_day: The cutoff, days since 1970-01-01.
            retrieved: How many products ScaNN is asked for, where the retrieval stage's model has its index; None for
                exact search.
            numbers: Customer columns of numbers, booleans and dates. Of a protected one only the rules know.

        Raises:
            ValueError: The stages do not have the same products.
        """
        super().__init__(name="recommender")
        retriever, ranker = tf.saved_model.load(str(retrieval)), tf.saved_model.load(str(ranking))
        product_ids = retriever.product_ids.numpy()
        if not np.array_equal(product_ids, ranker.product_ids.numpy()):
            raise ValueError(f"{retrieval} and {ranking} do not have the same products; export both from one run")
        self.stages = Stages(retriever, ranker)
        self._tracked = [retriever.resources, ranker.resources]
        self.product_ids = tf.Variable(product_ids, trainable=False, name="product_ids")
        self._num_products = len(product_ids)
        self._numbers = frozenset(numbers)
        self._eligibility = Eligibility(policy, products, product_ids)
        self._candidates = min(candidates, self._num_products)
        self._lists = [name.removesuffix("_products") for name in self._query_spec() if name.endswith("_products")]
        read = {name: columns.numpy().astype(str).tolist() for name, columns in retriever.columns.items()}
        packed = self.packed_columns()
        # A bank may have no column of words, or none of numbers; an empty list would be one of floats.
        self._places = {
            name: np.array([packed[name].index(column) for column in columns], np.int32)
            for name, columns in read.items()
        }
        self._search: CandidateSearch
        if retrieved is None:
            self._search = ExactCandidates(retriever, self._eligibility)
        else:
            self._search = ScannCandidates(
                retriever,
                self._eligibility,
                num_products=self._num_products,
                candidates=self._candidates,
                retrieved=retrieved,
            )
        self.defaults = {"as_of_day": as_of_day, "k": default_k}

    def request_spec(self) -> dict[str, Any]:
        """Return the tensor specifications of a raw request with its filters."""
        # Of the columns that the rules compare, the models read all but the ids and the protected ones.
        compared = {
            name: tf.TensorSpec([None], tf.float32 if name in self._numbers else tf.string, name=name)
            for name in self._eligibility.customer_columns
        }
        return compared | self._query_spec() | input_specs(*FILTER_INPUTS)

    def example_spec(self) -> dict[str, Any]:
        """Return the tensor specifications of what a tf.Example holds; what it lacks is missing or in `defaults`."""
        return input_specs("k") | self.request_spec()

    def _query_spec(self) -> dict[str, Any]:
        (query,), _ = self.stages.retrieval.encode.concrete_functions[0].structured_input_signature
        # Sorted, since a loaded model gives them in another order in each process.
        return {name: tf.TensorSpec(spec.shape, spec.dtype, name=name) for name, spec in sorted(query.items())}

    def packed_columns(self) -> dict[str, list[str]]:
        """Return the columns of `recommend_packed`'s inputs `words` and `numbers`, in order."""
        single = {name: spec for name, spec in self.request_spec().items() if spec.shape.rank == 1}
        return {
            "words": [name for name, spec in single.items() if spec.dtype == tf.string],
            "numbers": [name for name, spec in single.items() if spec.dtype == tf.float32],
        }

    def _packed_spec(self) -> dict[str, Any]:
        columns = self.packed_columns()
        packed = {name for names in columns.values() for name in names}
        return {name: spec for name, spec in self.example_spec().items() if name not in packed} | {
            "words": tf.TensorSpec([None, len(columns["words"])], tf.string, name="words"),
            "numbers": tf.TensorSpec([None, len(columns["numbers"])], tf.float32, name="numbers"),
        }

    def signatures(self) -> dict[str, Any]:
        """Return the signatures by name."""
        product = input_specs("product_id")
        packed = graph_function(self._recommend, input_signature=[self._packed_spec()])

        def recommend(request: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
            return dict(packed(self._pack(request)))

        return {
            "serving_default": examples_signature(recommend, self.example_spec(), self.defaults),
            "transform_features": examples_signature(self.stages.retrieval.encode, self._query_spec(), self.defaults),
            "recommend": signature(recommend, self.example_spec()),
            "recommend_packed": signature(lambda request: dict(packed(request)), self._packed_spec()),
            "exclusions": signature(self.exclusions, self.request_spec()),
            "score_products": signature(self._score_products, self._query_spec() | input_specs("candidates")),
            "feature_vectors": signature(self._feature_vectors, self._query_spec() | product),
            "score_ranking": signature(self._score_ranking, self._vector_spec("ranking")),
            "score_retrieval": signature(self._score_retrieval, self._vector_spec("retrieval") | product),
            "embed_customer": signature(self._embed_customer, self._query_spec()),
            "embed_product": signature(self._embed_product, product),
        }

    def recommend(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Recommend to each customer of a raw request with k and filters; see the class for what comes back."""
        return self._recommend(self._pack({name: tf.convert_to_tensor(values) for name, values in request.items()}))

    def _recommend(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Recommend to each customer of a packed request. `benchmarks.recommend` reads the names of the scopes."""
        k, most = clip_k(request["k"], self._num_products)
        retrieval, ranking = self.stages.retrieval, self.stages.ranking
        with tf.name_scope("encode"):
            encoded = retrieval.encode_packed(self._query(request))
        with tf.name_scope("embed"):
            embeddings = retrieval.embed(encoded)
        with tf.name_scope("search"):
            read, wanted = self._eligibility.read(self._compared(request)), tf.maximum(most, self._candidates)
            candidate_similarity, candidates = self._search(embeddings, read, wanted)
            found = candidates != NO_PRODUCT
            candidate_similarity = tf.where(found, candidate_similarity, 0.0)
        with tf.name_scope("rank"):
            logits, probability = ranking.score(encoded, candidates, candidate_similarity)
        with tf.name_scope("choose"):
            offered = self._eligibility.within_caps(candidates, tf.where(found, logits, MASKED_SCORE))
            best_logits, best = tf.math.top_k(offered, k=most)
            kept = tf.logical_and(best_logits > MASKED_SCORE, tf.range(most) < k[:, None])

            def pick(values: Any, padding: Any) -> Any:
                return tf.where(kept, tf.gather(values, best, batch_dims=1), padding)

            products = tf.maximum(tf.gather(candidates, best, batch_dims=1), 0)
            return {
                "product_id": tf.where(kept, tf.gather(self.product_ids, products), ""),
                "probability": pick(probability, 0.0),
                "similarity": pick(candidate_similarity, 0.0),
                "retrieval_rank": tf.where(kept, best + 1, 0),
                "count": tf.reduce_sum(tf.cast(kept, tf.int32), axis=1),
            }

    def exclusions(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return all product ids and why each must not be shown to each customer, string [batch, num_products] each.

        The reason is '' where a product may be shown.
        """
        reason = self._eligibility.reasons(request)
        return {"product_id": tf.tile(self.product_ids[None, :], [tf.shape(reason)[0], 1]), "reason": reason}

    def _pack(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return a request whose columns of one value are the inputs `words` and `numbers`."""
        rest, packed = dict(request), {}
        for name, columns in self.packed_columns().items():
            values = [rest.pop(column) for column in columns]
            empty = tf.zeros([tf.shape(request["k"])[0], 0], tf.string)  # max_risk is always a number
            packed[name] = tf.stack(values, axis=1) if values else empty
        return rest | packed

    def _query(self, packed: Mapping[str, Any]) -> dict[str, Any]:
        """Return what the retrieval stage's `encode_packed` takes of a packed request."""
        query = {"as_of_day": packed["as_of_day"]}
        for name in self._lists:
            query[name] = self._eligibility.positions(packed[f"{name}_products"])
            query[f"{name}_days"] = packed[f"{name}_days"]
        return query | {name: tf.gather(packed[name], places, axis=1) for name, places in self._places.items()}

    def _compared(self, packed: Mapping[str, Any]) -> dict[str, Any]:
        """Return a packed request with those of its columns by name that the rules and the filters compare."""
        compared = {*self._eligibility.customer_columns, "max_risk"}
        return dict(packed) | {
            column: packed[name][:, place]
            for name, columns in self.packed_columns().items()
            for place, column in enumerate(columns)
            if column in compared
        }

    def _vector_spec(self, stage: str) -> dict[str, Any]:
        stages = self.stages
        score = {"ranking": stages.ranking.score_features, "retrieval": stages.retrieval.embed_features}[stage]
        (vectors,), _ = score.concrete_functions[0].structured_input_signature
        name = f"{stage}_features"
        return {name: tf.TensorSpec(vectors.shape, vectors.dtype, name=name)}

    def _feature_vectors(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return what each stage's score of one product per customer is a function of, and the scores.

        Returns:
            ranking_features [batch, any] and log_odds [batch], those of the probability; retrieval_features
            [batch, any] and similarity [batch].
        """
        retrieval, ranking = self.stages.retrieval, self.stages.ranking
        encoded = retrieval.encode({name: request[name] for name in self._query_spec()})
        of_retrieval = {
            "retrieval_features": retrieval.features(encoded),
            "product_id": request["product_id"],
        }
        similarity = self._score_retrieval(of_retrieval)["similarity"]
        candidates = self._eligibility.positions(request["product_id"])[:, None]
        vectors = ranking.features(encoded, candidates, similarity[:, None])[:, 0]
        return {
            "ranking_features": vectors,
            "log_odds": ranking.score_features(vectors),
            "retrieval_features": of_retrieval["retrieval_features"],
            "similarity": similarity,
        }

    def _score_ranking(self, vectors: Mapping[str, Any]) -> dict[str, Any]:
        return {"log_odds": self.stages.ranking.score_features(vectors["ranking_features"])}

    def _score_retrieval(self, vectors: Mapping[str, Any]) -> dict[str, Any]:
        customers = self.stages.retrieval.embed_features(vectors["retrieval_features"])
        products = self.stages.retrieval.embed_products(vectors["product_id"])
        return {"similarity": tf.einsum("bd,bd->b", customers, products)}

    def _embed_customer(self, request: Mapping[str, Any]) -> dict[str, Any]:
        return {"embedding": self.stages.retrieval.embed(self.stages.retrieval.encode(request))}

    def _embed_product(self, request: Mapping[str, Any]) -> dict[str, Any]:
        return {"embedding": self.stages.retrieval.embed_products(request["product_id"])}

    def _score_products(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return the probability and the similarity of products for customers, float32 [batch, num_candidates]."""
        retrieval, candidates = self.stages.retrieval, request["candidates"]
        shape = tf.shape(candidates)
        some = require(shape[1] > 0, lambda: tf.constant("candidates: name at least 1 product for each customer"))
        with tf.control_dependencies([some]):
            encoded = retrieval.encode({name: request[name] for name in self._query_spec()})
        products = retrieval.embed_products(tf.reshape(candidates, [-1]))
        products = tf.reshape(products, tf.concat([shape, [tf.shape(products)[1]]], axis=0))
        similarity = tf.einsum("bd,bnd->bn", retrieval.embed(encoded), products)
        _, probability = self.stages.ranking.score(encoded, self._eligibility.positions(candidates), similarity)
        return {"probability": probability, "similarity": similarity}


def save_recommender(servable: RecommenderServable, folder: Path) -> None:
    """Write the composite as a SavedModel into `folder`."""
    tf.saved_model.save(servable, str(folder), signatures=servable.signatures())

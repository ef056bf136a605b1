"""The retriever as a SavedModel: raw customers in, embeddings or products out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from nextbest.data.feature_names import feature_width
from nextbest.data.snapshot import NO_PRODUCT
from nextbest.graph.signatures import (
    clip_k,
    examples_signature,
    graph_function,
    input_specs,
    join_first,
    require,
    signature,
)
from nextbest.retrieval.indexes import ProductIndex
from nextbest.retrieval.training import Retriever

__all__ = ["RetrievalServable", "save_retrieval"]


class RetrievalServable(tf.Module):
    """What `tf.saved_model.load` gives back.

    The composite calls `encode`, `encode_packed` (the same, of packed `columns` and product positions), `embed`,
    `embed_products`, `similarities` and, where its index is ScaNN's, `nearest`, for explanations `features` and
    `embed_features`, whose composition is `embed`; it reads `product_ids` and `columns` and tracks `resources`, which
    those functions read. Signatures: `retrieve` and `serving_default` (raw customers, the latter in
    tf.Examples, to products that they do not hold), `embed_customer` and `embed_product` (raw customers and product ids
    to embeddings, whose dot product is the similarity), `transform_features` (tf.Examples to encoded queries, see
    `graph.query`).
    """

    def __init__(self, retriever: Retriever, index: ProductIndex, default_k: int) -> None:
        """Bind a retriever.

        Args:
            retriever: The trained retriever.
            index: The index over its product embeddings.
            default_k: The k of a tf.Example that names none.
        """
        super().__init__(name="retrieval")
        encoders = retriever.encoders
        self._encoder = encoders.query_encoder()
        # They are called through closures and only their variables are tracked: a SavedModel needs no Python object.
        tower, search = retriever.customer_tower, index.search
        served = tower.served()
        self._embed: Callable[[Mapping[str, tf.Tensor]], tf.Tensor] = lambda encoded: served(encoded)
        self._features: Callable[[Mapping[str, tf.Tensor]], tf.Tensor] = lambda encoded: served.features(encoded)
        self._embed_features: Callable[[tf.Tensor], tf.Tensor] = lambda vectors: served.embed(vectors)
        self.named_features = tower.named_features
        self._search: Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]] = (
            lambda queries, exclude, k: search(queries, exclude, k)
        )
        self.defaults = {"as_of_day": retriever.day, "k": default_k}
        self._num_products = len(encoders.product_ids)
        self.request_spec = self._encoder.request_spec()
        self.product_ids = tf.Variable(encoders.product_ids.tolist(), trainable=False, name="product_ids")
        self.product_embeddings = index.embeddings
        self.resources = [self._encoder, served.variables, index.variables]
        self.encode = graph_function(self._encoder.__call__, input_signature=[self.request_spec])
        self.encode_packed = graph_function(self._encoder.encode, input_signature=[self._encoder.packed_spec()])
        self.columns = {
            name: tf.Variable(columns, trainable=False, dtype=tf.string, name=name)
            for name, columns in (("numbers", list(encoders.customers.numbers)), ("words", encoders.customers.words))
        }
        self.embed = graph_function(self._embed, input_signature=[encoders.encoded_spec()])
        self.embed_products = graph_function(
            self._embed_products, input_signature=[*input_specs("product_id").values()]
        )
        self.features = graph_function(self._features, input_signature=[encoders.encoded_spec()])
        vectors = tf.TensorSpec([None, feature_width(self.named_features())], tf.float32, name="features")
        self.embed_features = graph_function(self._embed_features, input_signature=[vectors])
        embedding = tf.TensorSpec([None, retriever.product_embeddings.shape[1]], tf.float32)
        self.similarities = graph_function(self._similarities, input_signature=[embedding])
        number = tf.TensorSpec([], tf.int32, name="k")
        self.nearest = graph_function(self._nearest, input_signature=[embedding, number])

    def signatures(self) -> dict[str, Any]:
        """Return the signatures by name."""
        retrieve = graph_function(self._retrieve, input_signature=[self.example_spec()])
        return {
            "serving_default": examples_signature(retrieve, self.example_spec(), self.defaults),
            "transform_features": examples_signature(self.encode, self.request_spec, self.defaults),
            "retrieve": signature(retrieve, self.example_spec()),
            "embed_customer": signature(self._embed_customer, self.request_spec),
            "embed_product": signature(self._embed_product, input_specs("product_id")),
        }

    def example_spec(self) -> dict[str, tf.TensorSpec]:
        """Return the tensor specifications of what a tf.Example holds; what it lacks is missing or in `defaults`."""
        return input_specs("k") | self.request_spec

    def _similarities(self, embeddings: tf.Tensor) -> tf.Tensor:
        return tf.matmul(embeddings, self.product_embeddings, transpose_b=True)

    def _nearest(self, embeddings: tf.Tensor, k: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Return what the index finds, whatever is held: cosines and product positions, [batch, k] each."""
        nothing = tf.fill([tf.shape(embeddings)[0], 0], NO_PRODUCT)
        return self._search(embeddings, nothing, k)

    def _embed_products(self, product_ids: tf.Tensor) -> tf.Tensor:
        """Return the products' embeddings, [batch, embedding_dim]; an unknown id is an InvalidArgument."""
        positions = self._encoder.positions.lookup(product_ids)
        unknown = positions == NO_PRODUCT

        def message() -> tf.Tensor:
            ids = join_first(tf.boolean_mask(product_ids, unknown))
            return tf.strings.join(["product_id: the catalogue has no product ", ids])

        with tf.control_dependencies([require(~tf.reduce_any(unknown), message)]):
            return tf.gather(self.product_embeddings, tf.maximum(positions, 0))

    def _retrieve(self, request: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        k, most = clip_k(request["k"], self._num_products)
        held = self._encoder.positions.lookup(request["held_products"])
        embedding = self._embed_customer({name: request[name] for name in self.request_spec})["embedding"]
        similarity, products = self._search(embedding, held, most)
        found = tf.logical_and(products != NO_PRODUCT, tf.range(most) < k[:, None])
        return {
            "product_id": tf.where(found, tf.gather(self.product_ids, tf.maximum(products, 0)), ""),
            "similarity": tf.where(found, similarity, 0.0),
            "count": tf.reduce_sum(tf.cast(found, tf.int32), axis=1),
        }

    def _embed_customer(self, request: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return {"embedding": self.embed(self.encode(request))}

    def _embed_product(self, request: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return {"embedding": self.embed_products(request["product_id"])}


def save_retrieval(servable: RetrievalServable, folder: Path) -> None:
    """Write the retriever as a SavedModel into `folder`."""
    tf.saved_model.save(servable, str(folder), signatures=servable.signatures())

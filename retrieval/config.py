"""Settings of the retrieval stage."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from nextbest.data.settings import SettingsModel

__all__ = ["IndexConfig", "RetrievalConfig"]


class IndexConfig(SettingsModel):
    """How the product embeddings are searched."""

    kind: Literal["auto", "exact", "scann"] = "auto"
    """auto builds both, measures recall and latency, and says why it chose."""
    recall: float = Field(0.98, gt=0, le=1)
    """auto takes ScaNN only with at least this share of the exact top k."""
    k: int = Field(100, ge=1)
    """The k at which auto measures (at most the catalogue's size)."""
    scann_from: int = Field(10_000, ge=1)
    """auto does not try ScaNN on smaller catalogues: there exact search was always faster."""
    leaves: int | None = None
    """Partitions of the ScaNN index; by default about the square root of the catalogue's size."""
    leaves_searched: int = Field(110, ge=1)
    """Partitions searched per query."""
    reordered: int = Field(1000, ge=1)
    """Candidates rescored exactly per query."""
    dims_per_block: int = Field(2, ge=1)
    """Dimensions per block of the asymmetric hash."""
    anisotropic_threshold: float = Field(0.2, gt=0, lt=1)
    """Threshold of the anisotropic quantisation loss (Guo et al., ICML 2020)."""
    training_sample: int = Field(250_000, ge=1)
    """Products that train the partitions and the hash."""


class RetrievalConfig(SettingsModel):
    """The two-tower model."""

    embedding_dim: int = Field(64, ge=2)
    """Dimension of one pair's embeddings."""
    num_tower_pairs: int = Field(2, ge=1)
    """So many pairs of towers, which differ by their first weights and dropouts, learn side by side. Their embeddings
    stand side by side, num_tower_pairs * embedding_dim in all, and the cosine is the mean of theirs: nearer to the
    truth than one's (Lakshminarayanan et al., NeurIPS 2017), and so many times slower to train."""
    customer_units: tuple[int, ...] = (128, 64)
    """Widths of the customer tower's dense blocks."""
    product_units: tuple[int, ...] = (64,)
    """Widths of the product tower's dense blocks."""
    category_dim: int = Field(8, ge=1)
    """Dimension of the embedding of a category or a word."""
    dropout: float = Field(0.1, ge=0, lt=1)
    """Dropout in the dense blocks."""
    category_dropout: float = Field(0.02, ge=0, lt=1)
    """Share of categories read as unknown in training, which gives 'unknown' its meaning."""
    holdings_dropout: float = Field(0.1, ge=0, lt=1)
    """Share of held and recent products that are hidden in training."""
    loss: Literal["auto", "full_softmax", "sampled_softmax", "contrastive", "triplet"] = "auto"
    """auto is full_softmax on catalogues up to `full_softmax_up_to`, else sampled_softmax."""
    full_softmax_up_to: int = Field(2000, ge=1)
    """Largest catalogue for which auto takes the softmax over all products."""
    temperature: float = Field(0.1, gt=0)
    """Divides the cosines in the softmax losses."""
    contrastive_margin: float = Field(0.3, ge=-1, le=1)
    """Negatives with a cosine below it cost nothing."""
    triplet_margin: float = Field(0.2, gt=0)
    """By how much a positive's cosine must exceed a negative's."""
    hard_negatives: int | None = Field(None, ge=1)
    """Keep only so many highest-scoring negatives per example; all by default. Not for full_softmax."""
    mixed_negatives: int = Field(256, ge=0)
    """Uniformly drawn products added to the in-batch negatives (Yang et al., WWW 2020). Not for full_softmax."""
    batch_size: int = Field(512, ge=2)
    """Examples per step."""
    learning_rate: float = Field(2e-3, gt=0)
    """Adam's step size."""
    averaging: float = Field(0.5, ge=0)
    """Weights are averaged over so many epochs' steps, which forgets the order of the last few; 0 takes the last
    step's."""
    epochs: int = Field(20, ge=1)
    """Epochs at most; early stopping chooses how many."""
    patience: int = Field(6, ge=0)
    """Epochs without a better validation score before training stops. With 0, all `epochs` are trained and no window is
    spent on choosing: for histories that are too short for one."""
    validation_k: int = Field(10, ge=1)
    """Early stopping maximises FactorizedTopK's accuracy at this k (at most the catalogue's size)."""
    training_windows: int = Field(18, ge=1)
    """How many strides before the cutoff give training examples."""
    recency_half_life_days: float = Field(365.0, gt=0)
    """An example loses half of its weight in so many days before the cutoff."""
    leave_one_out: float = Field(0.0, ge=0)
    """Weight of further examples: each product held at the cutoff, predicted from the others. They help where most
    acquisitions are undated or old, and mislead where attributes follow the holdings, as a loan balance does."""
    leave_one_out_examples: int = Field(200_000, ge=1)
    """How many of them at most."""
    index: IndexConfig = IndexConfig()
    """How the embeddings are searched."""

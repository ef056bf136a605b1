"""Settings of the retrieval stage."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from nextbest.data.settings import SettingsModel

__all__ = ["IndexKind", "RetrievalConfig"]

IndexKind = Literal["auto", "exact", "scann"]


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
    dropout: float = Field(0.1, ge=0, lt=1)
    """Dropout in the dense blocks."""
    holdings_dropout: float = Field(0.1, ge=0, lt=1)
    """Share of held and recent products that are hidden in training."""
    loss: Literal["auto", "full_softmax", "sampled_softmax", "contrastive", "triplet"] = "auto"
    """auto is full_softmax on catalogues of at most 2,000 products, else sampled_softmax."""
    temperature: float = Field(0.1, gt=0)
    """Divides the cosines in the softmax losses."""
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
    training_windows: int = Field(18, ge=1)
    """How many strides before the cutoff give training examples."""
    recency_half_life_days: float = Field(365.0, gt=0)
    """An example loses half of its weight in so many days before the cutoff."""
    leave_one_out: float = Field(0.0, ge=0)
    """Weight of further examples: each product held at the cutoff, predicted from the others. They help where most
    acquisitions are undated or old, and mislead where attributes follow the holdings, as a loan balance does."""
    index: IndexKind = "auto"
    """What finds the candidates: every product compared (exact), ScaNN, or auto: ScaNN where the catalogue is so large
    that it answers sooner, and if it finds enough of the exact answer."""

"""Settings of the ranking stage."""

from __future__ import annotations

from pydantic import Field

from nextbest.data.settings import SettingsModel

__all__ = ["RankingConfig"]


class RankingConfig(SettingsModel):
    """The cross-feature ranker."""

    candidates: int = Field(40, ge=1)
    """How many retrieved products are ranked, in training as in serving (at most the catalogue's size)."""
    product_dim: int = Field(16, ge=0)
    """Dimension of the ranker's embedding of the product's id; 0 for none, where the model would learn few windows by
    heart."""
    recency_days: float = Field(60.0, gt=0)
    """What was acquired or seen counts 1/e of its weight after so many days in the recency features."""
    similarity_prior: float = Field(5.0, ge=0)
    """Weight of retrieval's cosine in the logit before training: the ranker starts from retrieval's order and learns to
    correct it, so that few windows are enough. Half of 1 / retrieval.temperature suits, as the votes say the rest."""
    votes_prior: float = Field(0.5, ge=0)
    """Weight, before training, of the logarithm of what the holdings vote for, by each of `statistics.pairs`."""
    votes_saturation: float = Field(0.0, ge=0)
    """Votes v count as (1 - exp(-s v)) / s, 0 for v as it is: past 1 / s, more of them say little more. With 1, shares
    that add up past 1 become a probability, that of at least one event where v are expected (Poisson)."""
    trend_prior: float = Field(0.0, ge=0)
    """Weight, before training, of the logarithm of a candidate's share of the acquisitions in the longest of
    `statistics.popularity_days` but one, and of its difference to that in the longest; 0 for none. It follows a taste
    that drifts where the windows are too few to learn it from."""
    units: tuple[int, ...] = (128, 64)
    """Widths of the dense blocks after the cross layers."""
    dropout: float = Field(0.2, ge=0, lt=1)
    """Dropout in the dense blocks."""
    probability_weight: float = Field(0.5, ge=0)
    """Weight of the probability's log loss beside the listwise loss."""
    batch_size: int = Field(128, ge=2)
    """Customers per step."""
    learning_rate: float = Field(1.5e-3, gt=0)
    """Adam's step size."""
    averaging: float = Field(0.5, ge=0)
    """Weights are averaged over so many epochs' steps, which forgets the order of the last few; 0 takes the last
    step's."""
    epochs: int = Field(8, ge=1)
    """Epochs at most; early stopping on the last ranking window chooses how many."""
    patience: int = Field(3, ge=0)
    """Epochs without a better validation score before training stops. With 0, all `epochs` are trained, and the last
    window calibrates alone: where it holds more than all before it, less than the whole says little of how long."""

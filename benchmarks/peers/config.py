"""Settings of the peers."""

from __future__ import annotations

from pydantic import Field

from nextbest.data.settings import SettingsModel

__all__ = ["LambdaRankConfig"]


class LambdaRankConfig(SettingsModel):
    """LightGBM's LambdaRank over the candidates of two baselines.

    The size of the trees is the best of five settings on FAR-Trans's splits 4, 16, 28 and 34, and the windows and the
    start from EASE, without which the trees fall behind it, are the best of four on the splits 9, 13 and 22.
    """

    ease_l2: float = Field(gt=0)
    """The ridge penalty of the EASE score."""
    knn_shrinkage: float = Field(ge=0)
    """Shrinkage of the kNN score."""
    half_life_days: float = Field(gt=0)
    """The age in days at which a purchase counts half in the popularity that proposes candidates."""
    knn_candidates: int = Field(40, ge=1)
    """How many candidates item-kNN proposes."""
    recent_candidates: int = Field(20, ge=1)
    """How many further candidates decayed popularity proposes."""
    half_lives: tuple[float, ...] = (15, 30, 60, 120, 240)
    """Half-lives of the popularity features, days."""
    share_days: tuple[int, ...] = (30, 90, 180)
    """Lengths of the periods in which a product's share of the purchases is a feature, days."""
    conditional_days: int = Field(60, ge=1)
    """The latest purchases, of which it is counted what their buyers held before, days."""
    pair_prior: float = Field(20, ge=0)
    """Holders who took nothing that every conditional probability is shrunk by."""
    segment_prior: float = Field(200, ge=0)
    """Holdings that the overall shares are worth in a segment's."""
    horizon_days: int = Field(60, ge=1)
    """Length of the training windows."""
    stride_days: int = Field(30, ge=1)
    """Days from one training window's cutoff to the next; the windows may overlap, since all end before the test."""
    max_windows: int = Field(8, ge=1)
    """How many training windows there are at most."""
    min_customers: int = Field(50, ge=1)
    """A window with fewer customers who took a candidate is not learnt from."""
    ease_weight: float = Field(1.0, ge=0)
    """Boosting starts from so many times the logarithm of EASE's score; at 0 from nothing."""
    smallest_share: float = Field(1e-3, gt=0)
    """EASE scores below this share of a customer's best candidate's start alike."""
    learning_rate: float = Field(0.03, gt=0)
    """LightGBM's."""
    num_leaves: int = Field(7, ge=2)
    """LightGBM's."""
    min_data_in_leaf: int = Field(500, ge=1)
    """LightGBM's."""
    feature_fraction: float = Field(0.5, gt=0, le=1)
    """LightGBM's."""
    max_rounds: int = Field(500, ge=1)
    """Trees at most."""
    default_rounds: int = Field(50, ge=1)
    """Trees where no window lies before the newest one, so that their number cannot be chosen."""
    patience: int = Field(50, ge=1)
    """Trees without a better nDCG on the last window after which training ends."""
    num_threads: int = Field(1, ge=1)
    """Threads; fixed, so that the result does not depend on the machine."""

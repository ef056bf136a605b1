"""Settings of the export, its load check and explanations, and of profiles and neighbourhoods."""

from __future__ import annotations

from pydantic import Field

from nextbest.data.settings import SettingsModel

__all__ = [
    "ExplanationConfig",
    "ExportConfig",
    "LoadCheckConfig",
    "NeighbourhoodConfig",
    "ProfilesConfig",
]


class ExplanationConfig(SettingsModel):
    """How scores are explained by the models' features. The export holds these settings, and what they need."""

    background: int = Field(50, ge=1)
    """How many (customer, product) pairs of the export an explained one is compared with: their mean score is the base.
    Without a customer snapshot it is one made-up pair, the mean of the drawn ones."""
    permutations: int = Field(4, ge=1)
    """How many random orders `shap.PermutationExplainer` replaces features in, each forwards and backwards and for the
    whole background. More of them are slower and vary less."""
    orders: int = Field(100, ge=1)
    """How many `serving.insights.shapley.sampling` does for the global importance at the export (at least one for each
    background pair), each from one pair of the background."""
    seed: int = Field(0, ge=0)
    """Draws the background and the orders."""
    importance_customers: int = Field(120, ge=1)
    """How many customers' explanations make the global importance, each for one of the customer's candidates."""
    typical_within: float = Field(0.25, ge=0)
    """A value counts as typical up to so many standard deviations from the background's mean; then as higher or
    lower."""
    high_from: float = Field(1.0, ge=0)
    """And from so many on as high or low."""
    raising: int = Field(3, ge=1)
    """How many features a sentence names that raise the score."""
    lowering: int = Field(2, ge=1)
    """How many that lower it."""
    least_share: float = Field(0.05, ge=0, lt=1)
    """A sentence leaves out features with less than this share of the sum of the absolute contributions."""


class LoadCheckConfig(SettingsModel):
    """How exported models are shown to load and answer where none of this project's code is."""

    timeout_seconds: float = Field(600, gt=0)
    """How long a model may take to be loaded and to answer all of its warmup records, the start of its process
    included. One that takes longer hangs."""
    tolerance: float = Field(1e-5, ge=0)
    """The largest difference between a number in an answer and the recorded one, relative where that is beyond 1.
    Strings and whole numbers must be equal."""
    processes: int = Field(2, ge=1)
    """How many models are checked at a time, each in a process of its own with TensorFlow's own 0.5 GB of memory."""


class ProfilesConfig(SettingsModel):
    """How customers are described and compared."""

    tail: float = Field(0.01, ge=0, lt=0.5)
    """The share of customers beyond either end of the range that a form offers for a number."""
    steps: int = Field(10, ge=2)
    """A range's ends are rounded outwards to a readable number (1, 2 or 5 times a power of ten) of which it has at
    least so many."""
    max_choices: int = Field(100, ge=1)
    """The most categories that a form offers, the commonest."""
    min_segment: int = Field(20, ge=2)
    """How many customers with a known value a segment needs for a comparison; with fewer it would be about
    identifiable people."""


class NeighbourhoodConfig(SettingsModel):
    """What is near a customer."""

    neighbours: int = Field(50, ge=1)
    """How many of the nearest customers count."""
    min_neighbours: int = Field(20, ge=2)
    """With fewer customers than this nothing is said of them: it would be about identifiable people."""
    min_holders: int = Field(5, ge=1)
    """A product that fewer of the nearest customers hold is not told of, nor whether the last so many hold one too.
    Shares are rounded to so many customers, so that of two views that differ by one customer most tell nothing of them.
    """
    num_products_shown: int = Field(5, ge=1)
    """How many of the products that they hold are shown."""
    sample: int = Field(20_000, ge=1)
    """The most customers of the snapshot among whom the nearest are sought; they are drawn once per version."""
    seed: int = Field(7, ge=0)
    """Draws that sample, and the products of the map."""
    max_products: int = Field(2_000, ge=1)
    """The most products on the map beside the top ones; more are drawn at random."""
    batch: int = Field(2_048, ge=1)
    """How many customers or products are embedded by one call."""


class ExportConfig(SettingsModel):
    """The exported models."""

    default_k: int = Field(10, ge=1)
    """How many products a tf.Example gets that names no k; the other signatures take k as an input."""
    keep_versions: int | None = Field(None, ge=1)
    """How many versions a push leaves in MODELS, its own among them; all of them without it."""
    customer_snapshot: bool = True
    """Whether the recommender's assets hold the customers as of the cutoff, so that they can be named by id;
    without it the warmup requests hold no one's data either."""
    refresh: bool = True
    """Whether what is pushed is refreshed to the last day of the tables, without a training step. Without it what is
    pushed knows nothing of the test window that it was measured on: who opened an account there is offered it again."""
    max_age_days: int | None = Field(None, ge=0)
    """How many days after the last one that it knows a pushed version is still used. After them `score`, `recommend`
    and the page refuse, unless they are told --any-age. Without it they go on, and say how old the data are."""

"""What the places of a feature vector are called: explanations name columns and crosses, not embeddings.

All names stand here; the models give them to their features, and `serving.insights.sentences` puts them into words.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from nextbest.data.settings import SettingsModel

__all__ = ["FeatureKind", "FeatureName", "NamedFeature", "feature_width"]

FeatureKind = Literal["customer", "product", "cross"]
# No model has co_holding or next_after any more; exports of 0.3.0 name them.
FeatureName = Literal[
    "column",
    "popularity",
    "product_id",
    "held",
    "recent",
    "closed",
    "refused",
    "retrieval_score",
    "co_holding",
    "next_after",
    "ease",
    "cosine",
    "conditional",
    "seen",
    "own_closure",
    "own_refusal",
    "held_count",
    "same_group",
    "segment_popularity",
    "gap",
    "category_crosses",
]


class NamedFeature(SettingsModel):
    """A feature that is explained as one: the places of the vector that change together."""

    kind: FeatureKind
    """Whether it says something of the customer, of the product, or of both together."""
    name: FeatureName
    """'column' for raw columns as they are, or what is computed from columns."""
    columns: tuple[str, ...] = ()
    """The raw columns that it is made of, the customer's before the product's."""
    places: tuple[int, ...]
    """Where it stands in the vector; where one number says how much there is of it, that comes first."""

    @classmethod
    def from_columns(cls, kind: FeatureKind, columns: tuple[str, ...], places: tuple[int, ...]) -> NamedFeature:
        """Return raw columns as a feature; of products, no columns are their popularity."""
        return cls(kind=kind, name="column" if columns else "popularity", columns=columns, places=places)


def feature_width(named: Sequence[NamedFeature]) -> int:
    """Return the width of the vector, of which every place has one name."""
    return sum(len(feature.places) for feature in named)

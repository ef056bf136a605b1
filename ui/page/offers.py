"""Recommended and refused products of one customer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nextbest.data.dataset import Features
from nextbest.serving.recommender import Filters
from nextbest.ui.page.desk import Desk

__all__ = ["Offer", "chosen_of", "offers_of", "refusals"]


@dataclass(frozen=True)
class Offer:
    """One recommended product."""

    product_id: str
    row: int
    """Its row in the catalogue."""
    name: str
    rank: int
    before: int
    """Its place before the second stage."""
    probability: float
    similarity: float


def offers_of(desk: Desk, request: Features, top: int, filters: Filters) -> list[Offer]:
    """Recommend to one customer, best first."""
    found = desk.recommender.recommend(request, top, filters)
    offers = []
    for place in range(int(found.count[0])):
        row = desk.product_rows[found.product_id[0, place]]
        offers.append(
            Offer(
                product_id=found.product_id[0, place],
                row=row,
                name=str(desk.product_names[row]),
                rank=place + 1,
                before=int(found.retrieval_rank[0, place]),
                probability=float(found.probability[0, place]),
                similarity=float(found.similarity[0, place]),
            )
        )
    return offers


def chosen_of(offers: Sequence[Offer], chosen: str) -> str:
    """Return the chosen product if it is among the offers, else the first of them; '' where there is none."""
    ids = [offer.product_id for offer in offers]
    return chosen if chosen in ids else next(iter(ids), "")


def refusals(desk: Desk, request: Features, filters: Filters) -> dict[str, list[int]]:
    """Return why products are not shown to one customer: reason -> rows of the catalogue, most products first."""
    (reasons,) = desk.recommender.exclusions(request, filters)
    rows = {str(reason): np.flatnonzero(reasons == reason).tolist() for reason in set(reasons) - {""}}
    return dict(sorted(rows.items(), key=lambda pair: (-len(pair[1]), pair[0])))

"""What the page asks of one version. Each part is made when it is first needed, and goes with its version."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

import numpy as np

from nextbest.data.dataset import Array, Features
from nextbest.data.errors import InputError, Problem
from nextbest.serving.artifacts.assets import Table
from nextbest.serving.insights.customer_columns import FormField
from nextbest.serving.insights.explanation_data import STAGES, Stage
from nextbest.serving.insights.explanations import Explainer, Importance, importance
from nextbest.serving.insights.neighbourhood import Neighbourhood
from nextbest.serving.insights.profiles import Profiles
from nextbest.serving.insights.version_report import Report, read_report
from nextbest.serving.live import LiveRecommender
from nextbest.serving.recommender import Filters, Recommender, categories, product_categories, product_names, risks
from nextbest.serving.requests import take

__all__ = ["Desk", "Desks", "Offer", "Person", "chosen_of", "offers_of", "refusals"]

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Person:
    """Whom the page is about: a customer of the export, one of an uploaded file, or either with edited attributes."""

    id: str = ""
    """'' is no one."""
    uploaded: Mapping[str, Any] = field(default_factory=dict)
    """The raw values of an uploaded row, which take the place of what the export knows."""
    edited: Mapping[str, Any] = field(default_factory=dict)
    """The raw values that were edited on the page, which take the place of both."""

    def __bool__(self) -> bool:
        return bool(self.id)


class Desk:
    """One version's recommender, and what is made from it for the page."""

    def __init__(self, recommender: Recommender) -> None:
        self.recommender = recommender

    @cached_property
    def customers(self) -> Table:
        """The export's snapshot."""
        return self.recommender.customers()

    @cached_property
    def profiles(self) -> Profiles:
        """Describes customers."""
        return Profiles(self.recommender)

    @cached_property
    def explainer(self) -> Explainer:
        """Explains scores.

        Raises:
            FailedError: The version holds nothing to explain them with.
        """
        return Explainer(self.recommender)

    @cached_property
    def importance(self) -> Mapping[Stage, Importance | None]:
        """Which features matter over all, by stage."""
        return {stage: importance(self.recommender, stage) for stage in STAGES}

    @cached_property
    def neighbourhood(self) -> Neighbourhood:
        """Finds what is near."""
        return Neighbourhood(self.recommender)

    @cached_property
    def report(self) -> Report | None:
        """What the version tells of itself."""
        return read_report(self.recommender)

    @cached_property
    def fields(self) -> dict[str, FormField]:
        """Column -> what a form needs of it."""
        return {found.name: found for found in self.profiles.form_fields()}

    @cached_property
    def product_rows(self) -> dict[str, int]:
        """Product id -> its row in the catalogue."""
        return {product: row for row, product in enumerate(self.recommender.products.ids)}

    @cached_property
    def product_names(self) -> Array:
        """As people call the products, [num_products]."""
        return product_names(self.recommender)

    @cached_property
    def product_categories(self) -> Array:
        """The products' categories, [num_products]."""
        return product_categories(self.recommender)

    @cached_property
    def categories(self) -> list[str]:
        """The categories of the catalogue, sorted."""
        return categories(self.recommender)

    @cached_property
    def risks(self) -> Array:
        """The risks that the catalogue's products have, ascending; none where products have no risk."""
        return risks(self.recommender)

    @cached_property
    def _searched(self) -> Array:
        return np.strings.upper(self.customers.ids.astype(str))

    def unknown(self, ids: Sequence[str]) -> int:
        """Return how many of some customers the export does not know."""
        return int((self.customers.positions(np.array(ids, object)) < 0).sum())

    def find(self, typed: str, most: int) -> list[str]:
        """Return customers whose id has what was typed, first those that begin with it."""
        places = np.strings.find(self._searched, typed.strip().upper())
        found = np.flatnonzero(places >= 0)
        return self.customers.ids[found[np.argsort(places[found], kind="stable")[:most]]].tolist()

    def request(self, person: Person) -> Features:
        """Return a person's raw request, one row.

        Raises:
            InputError: The export does not know the customer, and nothing was uploaded.
        """
        (row,) = self.customers.positions(np.array([person.id], object))
        if row < 0 and not person.uploaded:
            count = f"{len(self.customers.ids):,}"
            remedy = f"type a part of an id to search the {count} customers, or upload a profile"
            raise InputError([Problem("customers", None, None, f"there is no customer {person.id!r}", remedy)])
        known = take(self.customers.columns, slice(row, row + 1)) if row >= 0 else self.recommender.complete({}, 1)
        given = {**person.uploaded, **person.edited}
        columns = {name: np.array([value], known[name].dtype) for name, value in given.items() if name in known}
        return {**known, **columns}


class Desks:
    """The desk of the version that is asked now; the one before goes when its last answer is given."""

    def __init__(self, live: LiveRecommender) -> None:
        self._live = live
        self._making = threading.Lock()
        self._desk: Desk | None = None

    @property
    def version(self) -> int:
        """The number of the version that is asked."""
        return self._live.version

    def ask(self, question: Callable[[Desk], Answer]) -> Answer:
        """Ask the current version; see `LiveRecommender.ask`."""
        return self._live.ask(lambda recommender: question(self._of(recommender)))

    def _of(self, recommender: Recommender) -> Desk:
        with self._making:
            if self._desk is None or self._desk.recommender is not recommender:
                self._desk = Desk(recommender)
            return self._desk


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

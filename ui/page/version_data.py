"""What the page needs of one served version: its customers, products, profiles and explanations.

`VersionData` makes each part when it is first needed; `CurrentVersion` hands out that of the newest version. The
functions below recommend products to a `SelectedCustomer` in the form that the tabs show.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

import numpy as np

from nextbest.data.dataset import Array, Features
from nextbest.data.errors import InputError, Problem
from nextbest.serving.artifacts.assets import EVENTS, CustomerEvents, Event, Table
from nextbest.serving.formatting import format_date
from nextbest.serving.insights.audience import Audiences
from nextbest.serving.insights.customer_columns import FormField
from nextbest.serving.insights.explanation_data import STAGES, Stage
from nextbest.serving.insights.explanations import Explainer, Importance, importance
from nextbest.serving.insights.neighbourhood import Neighbourhood
from nextbest.serving.insights.profiles import Profiles
from nextbest.serving.insights.reasons import ReasonExplainer
from nextbest.serving.insights.version_report import Report, read_report
from nextbest.serving.language import current_language, say
from nextbest.serving.live import LiveRecommender
from nextbest.serving.recommender import Filters, Recommender, categories, product_categories, product_names, risks
from nextbest.serving.requests import of_unknown_holdings, take
from nextbest.ui.page.finder import CustomerFinder

__all__ = [
    "CurrentVersion",
    "Recommendation",
    "SelectedCustomer",
    "VersionData",
    "excluded_products",
    "num_offered",
    "recommend_products",
    "selected_product",
]

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class SelectedCustomer:
    """The customer the page is about: one of the export, one of an uploaded file, or either with edited attributes."""

    id: str = ""
    """'' for none."""
    uploaded: Mapping[str, Any] = field(default_factory=dict)
    """The raw values of an uploaded row, which take the place of what the export knows."""
    edited: Mapping[str, Any] = field(default_factory=dict)
    """The raw values that were edited on the page, which take the place of both."""

    def __bool__(self) -> bool:
        """Return whether a customer is selected."""
        return bool(self.id)


class VersionData:
    """One version's recommender, and what the page derives from it."""

    def __init__(self, recommender: Recommender) -> None:
        """Keep the recommender; everything else is made when it is first needed."""
        self.recommender = recommender

    @property
    def customers(self) -> Table:
        """The export's snapshot."""
        return self.recommender.customers()

    @cached_property
    def profiles(self) -> Profiles:
        """Describes customers."""
        return Profiles(self.recommender)

    @cached_property
    def reasons(self) -> ReasonExplainer:
        """Gives the reasons of probabilities, and keeps the last few.

        Raises:
            FailedError: The version was exported without what reasons need.
        """
        return ReasonExplainer(self.recommender, self.profiles)

    @cached_property
    def audiences(self) -> Audiences:
        """Finds whom products suit, and keeps the answers.

        Raises:
            FailedError: The version was exported without what this needs.
        """
        return Audiences(self.recommender)

    @cached_property
    def explainer(self) -> Explainer:
        """Explains scores by the models' features.

        Raises:
            FailedError: The version holds nothing to explain them with.
        """
        return Explainer(self.recommender)

    @cached_property
    def _importance(self) -> dict[str, Mapping[Stage, Importance | None]]:
        return {}

    @property
    def importance(self) -> Mapping[Stage, Importance | None]:
        """Which features matter over all, by stage; their names are in the current language."""
        if current_language() not in self._importance:
            found = {stage: importance(self.recommender, stage) for stage in STAGES}
            self._importance[current_language()] = found
        return self._importance[current_language()]

    @cached_property
    def neighbourhood(self) -> Neighbourhood:
        """Finds what is near a customer."""
        return Neighbourhood(self.recommender)

    @cached_property
    def report(self) -> Report | None:
        """How good the version was measured to be, and its model card."""
        return read_report(self.recommender)

    @cached_property
    def form_fields(self) -> dict[str, FormField]:
        """Column -> what a form offers for it."""
        return {field.name: field for field in self.profiles.form_fields()}

    @cached_property
    def product_rows(self) -> dict[str, int]:
        """Product id -> its row in the catalogue."""
        return {product: row for row, product in enumerate(self.recommender.products.ids)}

    @cached_property
    def product_names(self) -> Array:
        """The products' names, [num_products]."""
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
    def finder(self) -> CustomerFinder:
        """Finds customers."""
        return CustomerFinder(self.recommender, self.customers)

    @cached_property
    def _events(self) -> CustomerEvents | None:
        file = self.recommender.asset(EVENTS)
        return None if file is None else CustomerEvents.load(file)

    def events_of(self, customer: str) -> list[Event]:
        """Return what a customer did in the last two years, the oldest first; nothing of one that is not known."""
        (row,) = self.customers.positions(np.array([customer], object))
        return [] if row < 0 or self._events is None else list(self._events.of(int(row)))

    def count_unknown(self, ids: Sequence[str]) -> int:
        """Return how many of some customers the export does not know."""
        return int((self.customers.positions(np.array(ids, object)) < 0).sum())

    def request(self, customer: SelectedCustomer) -> Features:
        """Return a customer's raw request, one row.

        Raises:
            InputError: The export does not know the customer, and nothing was uploaded.
        """
        (row,) = self.customers.positions(np.array([customer.id], object))
        if row < 0 and not customer.uploaded:
            what = say("no-such-customer", customer=repr(customer.id))
            remedy = say("no-such-customer-do", count=len(self.customers.ids))
            raise InputError([Problem("customers", None, None, what, remedy)])
        known = take(self.customers.columns, slice(row, row + 1)) if row >= 0 else self.recommender.complete({}, 1)
        given = {**customer.uploaded, **customer.edited}
        columns = {name: np.array([value], known[name].dtype) for name, value in given.items() if name in known}
        return {**known, **columns}

    def lacks_holdings(self, customer: SelectedCustomer, request: Features) -> bool:
        """Return whether nobody knows what a customer holds, so that no probability is told."""
        if not self.count_unknown([customer.id]):
            return False
        return bool(of_unknown_holdings(self.recommender, np.array([customer.id], object), request)[0])


class CurrentVersion:
    """The data of the version that answers now; that of the one before goes when its last answer is given."""

    def __init__(self, live: LiveRecommender, any_age: bool = False) -> None:
        """Keep the recommender that swaps versions.

        Args:
            live: The recommender.
            any_age: Whether a version answers however old its data are.
        """
        self._live, self._any_age = live, any_age
        self._lock = threading.Lock()
        self._data: VersionData | None = None

    @property
    def number(self) -> int:
        """The number of the version that answers now."""
        return self._live.version

    def ask(self, question: Callable[[VersionData], Answer]) -> Answer:
        """Answer a question with the current version's data; see `LiveRecommender.ask`.

        Raises:
            InputError: The data are older than may be.
        """
        return self._live.ask(lambda recommender: question(self._data_of(recommender)))

    def ask_in_parts(self, question: Callable[[VersionData], Iterator[Answer]]) -> Iterator[Answer]:
        """Do the same for an answer in parts; see `LiveRecommender.ask_in_parts`."""
        return self._live.ask_in_parts(lambda recommender: question(self._data_of(recommender)))

    def _data_of(self, recommender: Recommender) -> VersionData:
        with self._lock:
            if self._data is None or self._data.recommender is not recommender:
                self._data = VersionData(recommender)
            data = self._data
        if not self._any_age and (age := recommender.age).is_too_old:
            what = say("data-too-old", day=format_date(age.as_of), count=age.days, most=age.max_days)
            raise InputError([Problem("export.max_age_days", None, None, what, say("data-too-old-do"))])
        return data


@dataclass(frozen=True)
class Recommendation:
    """One recommended product."""

    product_id: str
    row: int
    """Its row in the catalogue."""
    name: str
    rank: int
    """Its place among the recommendations, from 1."""
    retrieval_rank: int
    """Its place after the first stage."""
    probability: float | None
    """None where nobody knows what the customer holds; see `requests.of_unknown_holdings`."""
    similarity: float


def recommend_products(
    data: VersionData, customer: SelectedCustomer, top: int, filters: Filters
) -> list[Recommendation]:
    """Recommend to one customer, best first."""
    request = data.request(customer)
    found = data.recommender.recommend(request, top, filters)
    hidden = data.lacks_holdings(customer, request)
    recommendations = []
    for place in range(int(found.count[0])):
        row = data.product_rows[found.product_id[0, place]]
        recommendations.append(
            Recommendation(
                product_id=found.product_id[0, place],
                row=row,
                name=str(data.product_names[row]),
                rank=place + 1,
                retrieval_rank=int(found.retrieval_rank[0, place]),
                probability=None if hidden else float(found.probability[0, place]),
                similarity=float(found.similarity[0, place]),
            )
        )
    return recommendations


def selected_product(recommendations: Sequence[Recommendation], product_id: str) -> str:
    """Return the product if it is recommended, else the first recommended one; '' where there is none."""
    ids = [recommendation.product_id for recommendation in recommendations]
    return product_id if product_id in ids else next(iter(ids), "")


def excluded_products(data: VersionData, request: Features, filters: Filters) -> list[tuple[str, list[int]]]:
    """Return the products that one customer is not shown: pairs of reasons and rows, most products first.

    A product is in one pair, with all reasons that apply to it, each on a line.
    """
    (reasons,) = data.recommender.exclusions(request, filters)
    pairs = [(str(reason), np.flatnonzero(reasons == reason).tolist()) for reason in set(reasons) - {""}]
    return sorted(pairs, key=lambda pair: (-len(pair[1]), pair[0]))


def num_offered(data: VersionData, excluded: Sequence[tuple[str, Sequence[int]]]) -> int:
    """Return how many products may be shown to a customer; see `excluded_products`."""
    return len(data.product_rows) - sum(len(rows) for _, rows in excluded)

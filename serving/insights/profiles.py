"""Who a customer is: the attributes compared with those of the segment and of all, and the products held.

`Profiles` is made once per version; `profile` describes one customer. A bank's own column names are unknown, so numbers
are grouped by what the config says of them:

    money     the unit is a currency (EUR), also by period (EUR/year): income, balances
    share     the unit is 'share' or begins with %; or there is none, and all values are from 0 to 1 and some broken:
              utilisation, engagement
    count     there is no unit, and all values are whole: counts, scores, levels
    time      the unit is years, months, weeks, days or hours: age, tenure
    measure   any other number
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

import numpy as np

from nextbest.data.config import HistoryList
from nextbest.data.dataset import Array, Features, positions_of
from nextbest.serving.artifacts.assets import SCHEMA
from nextbest.serving.config import ProfilesConfig
from nextbest.serving.formatting import MISSING, SHARE, format_value, is_money
from nextbest.serving.insights.customer_columns import (
    CategoryColumn,
    FormField,
    NumberColumn,
    Segments,
    form_fields_from_schema,
    form_fields_from_snapshot,
    percentile_rank,
)
from nextbest.serving.recommender import Recommender, product_categories, product_names

__all__ = ["GROUPS", "Attribute", "Group", "Holding", "Profile", "Profiles"]

Group = Literal["money", "share", "count", "time", "measure"]
GROUPS: Mapping[Group, str] = {
    "money": "Money",
    "share": "Shares and rates",
    "count": "Counts and scores",
    "time": "Time",
    "measure": "Other measures",
}
"""The groups of behaviour in the order of the page -> their headings."""
_TIME_UNITS = {"years", "months", "weeks", "days", "hours"}
_QUARTERS = (0.25, 0.5, 0.75)


@dataclass(frozen=True)
class Attribute:
    """One attribute of a customer, compared with other customers. What cannot be compared is None."""

    name: str
    """The column."""
    label: str
    """Its name as people read it."""
    role: str
    """See `data.config.ColumnConfig`."""
    group: Group | None
    """For a number: which."""
    value: str
    """As people read it, with its unit; `serving.formatting.MISSING` where it is missing."""
    missing: bool
    """Whether it is."""
    percentile: float | None = None
    """Of a number or a date: the percentage of the segment's customers below it, from 0 to 100 (the mid-rank)."""
    percentile_overall: float | None = None
    """The same of all customers."""
    quartiles: tuple[str, str, str] | None = None
    """The segment's quarter, half and three quarters, as people read them."""
    quartile_values: tuple[float, float, float] | None = None
    """The same as raw values."""
    share: float | None = None
    """Of a category or a boolean: the share of the segment's customers who have the same, from 0 to 1."""
    share_overall: float | None = None
    """The same of all customers."""


@dataclass(frozen=True)
class Holding:
    """A product that the customer holds, or refused."""

    product_id: str
    name: str
    """The id where the catalogue has no name, or does not know the product any more."""
    category: str
    """'' for unknown."""
    since: date | None
    """None where the request does not say."""


@dataclass(frozen=True)
class Profile:
    """A customer."""

    segment: str
    """'' where it is missing, or where the data has no segments."""
    segment_customers: int
    """How many customers of the snapshot are in it."""
    customers: int
    """How many customers the snapshot holds."""
    attributes: tuple[Attribute, ...]
    """All inputs of the model, in the config's order."""
    behaviour: Mapping[str, tuple[Attribute, ...]]
    """A heading of GROUPS -> the numbers of that group; a group without any is left out."""
    holdings: tuple[Holding, ...]
    """The newest first; closed ones are not among them."""
    refused: tuple[Holding, ...] = ()
    """What was refused lately, the newest first; of a bank that does not record it, nothing."""


class Profiles:
    """Describes customers against those of an export's snapshot, which is sorted once."""

    def __init__(self, recommender: Recommender, config: ProfilesConfig | None = None) -> None:
        """Read the snapshot.

        Args:
            recommender: One version.
            config: How customers are described and compared.
        """
        self._recommender = recommender
        self._config = config or ProfilesConfig()
        described = recommender.manifest["customers"]["columns"]
        inputs = set(recommender.customer_columns)
        # Older exports do not hold the config's order, nor the segment.
        order = recommender.manifest.get("customer_order", recommender.customer_columns)
        self._described = {name: described[name] for name in order if name in inputs}
        self._names, self._categories = product_names(recommender), product_categories(recommender)
        snapshot = recommender.customers()
        self._num_customers = len(snapshot.ids)
        self._segment: str | None = recommender.manifest.get("segment")
        labels = snapshot.columns[self._segment] if self._segment else np.full(self._num_customers, "", object)
        self._segments = Segments(labels)
        self._columns = dict(_columns(self._described, snapshot.columns, self._segments))
        self._form_fields = tuple(
            form_fields_from_snapshot(self._described, self._columns, self._config)
            if self._num_customers
            else form_fields_from_schema(self._described, recommender.asset(SCHEMA), self._config)
        )

    def form_fields(self) -> tuple[FormField, ...]:
        """Return what a form needs of each attribute."""
        return self._form_fields

    def profile(self, request: Mapping[str, Array]) -> Profile:
        """Describe a customer.

        Args:
            request: A raw request of one customer; what it lacks is missing.

        Raises:
            ValueError: It is of more than one customer, or names an input that the model does not have.
        """
        if any(len(values) != 1 for values in request.values()):
            lengths = {name: len(values) for name, values in request.items()}
            raise ValueError(f"a profile is of one customer, and the request's inputs have lengths {lengths}")
        customer = {name: values[0] for name, values in self._recommender.complete(request, 1).items()}
        segment = str(customer[self._segment]) if self._segment else ""
        code = self._segments.code(segment)
        attributes = tuple(self._attribute(field, customer[field.name], code) for field in self._form_fields)
        behaviour = {
            heading: found
            for group, heading in GROUPS.items()
            if (found := tuple(attribute for attribute in attributes if attribute.group == group))
        }
        return Profile(
            segment=segment,
            segment_customers=0 if code is None else int((self._segments.codes == code).sum()),
            customers=self._num_customers,
            attributes=attributes,
            behaviour=behaviour,
            holdings=tuple(self._listed(customer, "held")),
            refused=tuple(self._listed(customer, "refused")) if "refused_products" in customer else (),
        )

    def _attribute(self, field: FormField, raw: Any, code: int | None) -> Attribute:
        column = self._described[field.name]
        value = format_value(raw, column)
        missing = value == MISSING
        known = self._columns.get(field.name)
        comparison: dict[str, Any] = {}
        if isinstance(known, NumberColumn):
            comparison = self._percentiles(known, raw, missing, column, code)
        elif isinstance(known, CategoryColumn) and not missing:
            comparison = self._shares(known, raw, field.name, code)
        return Attribute(field.name, field.label, field.role, _group(field, known), value, missing, **comparison)

    def _percentiles(
        self, known: NumberColumn, raw: Any, missing: bool, column: Mapping[str, Any], code: int | None
    ) -> dict[str, Any]:
        """Return a number's percentiles, and the segment's quartiles, which a missing one has too."""
        value = np.float32(raw)
        comparison: dict[str, Any] = {}
        if not missing and self._is_enough(len(known.sorted_values)):
            comparison["percentile_overall"] = percentile_rank(value, known.sorted_values)
        if code is None or not self._is_enough(len(peers := known.values_in_segment(code))):
            return comparison
        quartiles = np.quantile(peers, _QUARTERS)
        comparison["quartile_values"] = tuple(quartiles.tolist())
        comparison["quartiles"] = tuple(format_value(quartile, column) for quartile in quartiles)
        return comparison if missing else comparison | {"percentile": percentile_rank(value, peers)}

    def _shares(self, known: CategoryColumn, raw: Any, name: str, code: int | None) -> dict[str, Any]:
        """Return which shares of customers have the same value; all of a segment are in it, which is left out."""
        shares = {"share_overall": known.share(raw)}
        if code is not None and name != self._segment:
            shares["share"] = known.share(raw, code)
        return {key: share.same / share.known for key, share in shares.items() if self._is_enough(share.known)}

    def _is_enough(self, customers: int) -> bool:
        return customers >= self._config.min_segment

    def _listed(self, customer: Features, which: HistoryList) -> Iterator[Holding]:
        """Yield what is in one of a request's lists, the newest first; a day may be left out."""
        ids, days = customer[f"{which}_products"], customer[f"{which}_days"]
        dated = [(int(days[place]) if place < len(days) else None, str(ids[place])) for place in range(len(ids))]
        listed = [(day, product) for day, product in dated if product]
        rows = positions_of(np.array([product for _, product in listed], object), self._recommender.products.ids)
        order = sorted(range(len(listed)), key=lambda place: -(listed[place][0] or 0))
        for place in order:
            (day, product), row = listed[place], rows[place]
            since = None if day is None else np.datetime64(day, "D").item()
            known = row >= 0
            name, category = (self._names[row], self._categories[row]) if known else (product, "")
            yield Holding(product, str(name), str(category), since)


def _columns(
    described: Mapping[str, Mapping[str, Any]], columns: Features, segments: Segments
) -> Iterator[tuple[str, NumberColumn | CategoryColumn]]:
    """Yield the columns that customers are compared by; texts and ids are not."""
    for name, column in described.items():
        if column["role"] in ("number", "date"):
            yield name, NumberColumn(columns[name], segments)
        elif column["role"] in ("category", "boolean"):
            yield name, CategoryColumn(columns[name], segments)


def _group(field: FormField, known: NumberColumn | CategoryColumn | None) -> Group | None:
    """Return a number's group; see the module."""
    if field.role != "number":
        return None
    if field.unit:
        if is_money(field.unit):
            return "money"
        if field.unit == SHARE or field.unit.startswith("%"):
            return "share"
        return "time" if field.unit in _TIME_UNITS else "measure"
    if field.whole:
        return "count"
    ordered = known.sorted_values if isinstance(known, NumberColumn) else np.zeros(0)
    if len(ordered):
        low, high = ordered[0], ordered[-1]
    elif field.low is not None and field.high is not None:
        low, high = field.low, field.high
    else:
        return "measure"
    return "share" if low >= 0 and high <= 1 else "measure"

"""What the three tables mean, how time is cut, the policy and the encoders: the settings that every stage reads."""

from __future__ import annotations

import re
from collections import Counter
from datetime import date
from itertools import combinations
from keyword import iskeyword
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from nextbest.data.rules import PolicyConfig, policy_problems
from nextbest.data.settings import SettingsModel

__all__ = [
    "ISO_DATE",
    "REQUEST_INPUTS",
    "ColumnConfig",
    "DataConfig",
    "EncoderConfig",
    "EntityConfig",
    "InteractionsConfig",
    "NotationConfig",
    "Role",
    "TableConfig",
    "WindowsConfig",
    "input_name_problem",
]

ISO_DATE = "yyyy-mm-dd"
_EPOCH, _DATE_FORMAT = re.compile("epoch_m?s"), re.compile("((yyyy|yy|mmm|mm|dd)[-./ ]?)+")
QUESTION = "?"
"""What `nextbest schema` writes for a setting that only a person knows."""


def _check_date_format(text: str) -> str:
    if text == QUESTION:
        raise ValueError("this question of `nextbest schema` waits for an answer; see the comment above it")
    parts = sorted(part[0] for part in re.findall("y+|m+|d+", text))
    if not (_EPOCH.fullmatch(text) or (_DATE_FORMAT.fullmatch(text) and parts in (["m", "y"], ["d", "m", "y"]))):
        raise ValueError(f"{text!r} is no notation; write for example {ISO_DATE}, dd.mm.yyyy, yyyymm, or epoch_ms")
    return text


DateFormat = Annotated[str, AfterValidator(_check_date_format)]
Role = Literal["number", "category", "boolean", "date", "text", "id"]
HistoryList = Literal["held", "recent", "closed", "refused"]
"""A list of products in a query: what the customer holds, and lately took or looked at, closed, and refused."""
REQUEST_INPUTS = (
    "as_of_day",
    "held_products",
    "held_days",
    "recent_products",
    "recent_days",
    "closed_products",
    "closed_days",
    "refused_products",
    "refused_days",
    "k",
    "max_risk",
    "categories",
    "exclude",
    "candidates",
    "similarity",
    "product_id",
    "words",
    "numbers",
    "examples",
)
"""Inputs of the exported models beside the customer's columns, which therefore cannot be called like them."""
_INPUT_NAME = re.compile("[A-Za-z][A-Za-z0-9_]*")


def input_name_problem(column: str) -> str | None:
    """Return why a customers' column cannot be an input of the exported model, with the remedy; None if it can.

    TensorFlow takes names that differ in case alone for one, and calls a signature's functions with `self`.
    """
    if column.lower() in (*REQUEST_INPUTS, "self"):
        return "which is the name of an input of the exported model; rename it"
    if not _INPUT_NAME.fullmatch(column) or iskeyword(column):
        rule = "a letter from a to z first, then letters, digits and _"
        return f"and no input of the exported model can have this name; rename it: {rule}"
    return None


class ColumnConfig(SettingsModel):
    """What one column of a table means."""

    role: Role
    """number (standardised), category (embedded), boolean, date (age in days at the cutoff), text (bag of
    words) or id (kept for people, never read by a model)."""
    transform: Literal["none", "log1p", "quantile"] = "none"
    """How a number is reshaped before it is standardised; only for the role number."""
    optional: bool = False
    """Whether the column may be absent from the file; its values are then all missing."""
    unit: str = ""
    """Unit for people, for example EUR or years; shown on the page."""
    zero_means: str = ""
    """What people read in place of a 0, for example open-ended; only for the role number."""
    titles: dict[str, str] = Field({})
    """What people call this column of products of a category (see `policy.category_column`), for example
    { credit_card = "interest charged" }; '' stands for all other categories."""
    editable: bool = False
    """Whether the page lets people try another value of this column of customers; the answers to a questionnaire on
    suitability should not be."""
    protected: bool | None = None
    """Of customers: true makes the column an input of no model nor of anything made for one: results are measured by
    it, and a rule of the policy may read it, for a legal age limit, which masks products and teaches nothing. false
    makes it an input like others, which reasons may name. Without it it is an input, and its name decides whether
    reasons may say it: they never name gender, marital status, nationality, religion, ethnicity or disability, also in
    German, Spanish and Czech."""
    date_format: DateFormat | None = None
    """How this column writes a date, where it is not as the table's others do; only for the role date."""
    decimal: Literal[".", ","] | None = None
    """This column's decimal sign, where it is not the table's; only for the role number."""

    @model_validator(mode="after")
    def _settings_fit_the_role(self) -> ColumnConfig:
        if self.transform != "none" and self.role != "number":
            raise ValueError(f"transform = {self.transform!r} is for the role 'number', not {self.role!r}; remove it")
        if self.date_format is not None and self.role != "date":
            raise ValueError(f"date_format = {self.date_format!r} is for the role 'date', not {self.role!r}; remove it")
        if self.zero_means and self.role != "number":
            raise ValueError(f"zero_means = {self.zero_means!r} is for the role 'number', not {self.role!r}; remove it")
        if self.decimal is not None and self.role != "number":
            raise ValueError(f"decimal = {self.decimal!r} is for the role 'number', not {self.role!r}; remove it")
        return self


class NotationConfig(SettingsModel):
    """How a table writes its values. `nextbest schema` writes what it found."""

    delimiter: str | None = Field(None, min_length=1, max_length=1)
    """What separates the values of a CSV file; without it, the one of , ; tab and | that its header shows."""
    decimal: Literal[".", ","] | None = None
    """The decimal sign of numbers that are text; the other sign, a blank or an apostrophe may group thousands. Without
    it a decimal point, and a comma is refused."""
    date_format: DateFormat = ISO_DATE
    """How dates are written where they are text or whole numbers: dd, mm (or mmm, Jan to Dec) and yyyy (or yy) with
    what stands between them, or epoch_s or epoch_ms. A time may follow. yyyy-mm-dd is always understood. A month
    stands for its last day."""
    missing: tuple[str, ...] | None = None
    """Words for a missing value, in any case. Without them: of numbers, booleans and dates - ? n/a #n/a na nan none
    null and \\N; of categories and texts null and \\N. An empty value is always missing."""
    time_zone: str | None = None
    """The zone in which days are cut, such as Europe/Vienna, for times that state another. Without it a time counts for
    the day that it is written as."""


class TableConfig(NotationConfig):
    """Where a table comes from."""

    path: str
    """A .csv, .csv.gz or .parquet file, a folder of such, or a pattern such as part-*.parquet (relative to the TOML's
    folder), or one at an address such as s3://bank/events/; or an SQLAlchemy URL."""
    query: str | None = None
    """The SQL query, for an SQLAlchemy URL only."""
    recorded_at: str | None = None
    """The column with the day on which a row was recorded. Of a row that was dated back, or came late, this day counts,
    since nothing was known of it before."""
    lag_days: int = Field(0, ge=0)
    """How many days after its date a row comes to be known, where no column says so: month-end files, for example."""


class EntityConfig(TableConfig):
    """A table of customers or of products: one row per entity, or several dated by `as_of`."""

    id: str
    """The column that identifies the entity."""
    as_of: str | None = None
    """The column that dates a row; the newest row at or before the cutoff counts. Without it a row always holds."""
    name: str | None = None
    """Of products: the column with the name by which people know them; without it the column `name`, the first with the
    role id, or the id."""
    columns: dict[str, ColumnConfig] = Field(default_factory=dict)
    """The feature columns. A column of the file that is not named here is ignored."""

    @property
    def model_columns(self) -> dict[str, ColumnConfig]:
        """The columns that models may read: those that are not `protected`."""
        return {name: column for name, column in self.columns.items() if not column.protected}

    @model_validator(mode="after")
    def _keys_are_not_features(self) -> EntityConfig:
        for key in (self.id, self.as_of, self.recorded_at):
            if key in self.columns:
                what = f"column {key!r} is the id, as_of or recorded_at column and cannot be a feature too"
                raise ValueError(f"{what}; remove it")
        if self.lag_days and not (self.as_of or self.recorded_at):
            raise ValueError("lag_days counts from a row's date; name the as_of column")
        if self.name is not None and self.name not in self.columns:
            raise ValueError(f"name = {self.name!r} is not one of the columns; add it there, or remove it")
        return self


class InteractionsConfig(TableConfig):
    """The table of dated interactions, or of snapshots of what is held."""

    kind: Literal["events", "snapshots"] = "events"
    """events: a row says what happened. snapshots: the rows of a customer and a day say what is held then; what appears
    since the customer's last ones was acquired, what disappears was given up. What the first snapshots of all hold was
    held before, and is no acquisition. Without a row nothing is known, and what was held goes on."""
    products: tuple[str, ...] = ()
    """Of snapshots with a row per customer and day: the columns, one per product and named like it, that say whether it
    is held, as patterns such as "ind_*"."""
    held: str | None = None
    """Of snapshots with a row per customer, day and product: the column with 1 or an amount above 0 where it is held.
    Without it each row says so."""
    customer_id: str = "customer_id"
    """The column with the customer's id."""
    product_id: str = "product_id"
    """The column with the product's id."""
    timestamp: str = "timestamp"
    """The column with the date or time. Time is cut by whole days."""
    event: str | None = None
    """The column that says what happened. Without it every row is an acquisition."""
    weight: str | None = None
    """The column with a non-negative weight of an acquisition as the retriever's example; 1 without it."""
    acquire: tuple[str, ...] = ("open",)
    """Events by which a customer comes to hold a product: the events that are predicted."""
    release: tuple[str, ...] = ("close",)
    """Events by which a customer ceases to hold a product."""
    interest: tuple[str, ...] | None = None
    """Events that show interest, such as a view or a quote; None for all that stand nowhere else."""
    refuse: tuple[str, ...] = ()
    """Events that show the contrary, such as a declined offer or a complaint: a list of their own to the models."""
    ignore: tuple[str, ...] = ()
    """Events that say neither, such as a payment or a claim: they are not read."""
    unknown: Literal["error", "drop"] = "error"
    """What is done with rows whose customer or product is not in its table: refused, or left out and counted."""

    @model_validator(mode="after")
    def _settings_belong_together(self) -> InteractionsConfig:
        if self.event == QUESTION:
            raise ValueError("event: this question of `nextbest schema` waits for an answer; see the comment above it")
        if self.kind == "snapshots" and (self.event or self.weight):
            raise ValueError("snapshots have neither event nor weight: what happened follows from them; remove it")
        if self.kind == "events" and (self.products or self.held):
            raise ValueError('products and held are of snapshots; set kind = "snapshots", or remove them')
        if self.products and self.held:
            raise ValueError("products is for a column per product, held for a row per product; remove one of them")
        lists = {name: getattr(self, name) or () for name in ("acquire", "release", "interest", "refuse", "ignore")}
        for first, second in combinations(lists, 2):
            if both := sorted(set(lists[first]) & set(lists[second])):
                raise ValueError(f"events {both} are in {first} and in {second}; keep each in one")
        return self


class WindowsConfig(SettingsModel):
    """How time is cut. A cutoff is a day; what happened on it is known, what came later is not."""

    horizon_days: int = Field(91, ge=1)
    """Length of a label window: the days after a cutoff in which acquisitions are predicted."""
    test_days: int | None = Field(None, ge=0)
    """Length of the test window; by default the horizon. 0 keeps no day back to measure by: for a refresh to the newest
    day, which takes over the trained run's figures with its weights."""
    test_cutoff: date | None = None
    """The cutoff of the test window; by default the last interaction's day less the test window's length."""
    ranking_windows: int = Field(4, ge=1)
    """How many windows before the test train the ranker; the last of them validates and calibrates it first. With one
    alone, a part of its customers does."""
    stride_days: int = Field(30, ge=1)
    """Spacing of the retriever's training snapshots: an acquisition is predicted from the snapshot before it."""
    min_holdings: int = Field(0, ge=0)
    """Only customers who held at least so many products at a snapshot are training examples. Set it with
    evaluation.min_holdings where the models are for existing customers: new ones buy differently."""
    max_holdings: int = Field(64, ge=1)
    """How many held products (the newest) a model reads. The mask of held products is not limited by it."""
    max_recent: int = Field(48, ge=1)
    """How many products of the latest interactions a model reads, and how many of the latest refusals."""
    recent_days: int = Field(365, ge=1)
    """How far back an interaction still counts as recent."""


class DataConfig(SettingsModel):
    """The tables, the windows and the policy."""

    customers: EntityConfig
    """The customers."""
    products: EntityConfig
    """The products."""
    interactions: InteractionsConfig
    """Who took what, when."""
    windows: WindowsConfig = WindowsConfig()
    """How time is cut."""
    policy: PolicyConfig = PolicyConfig()
    """Which products suit which customer."""
    segment: str | None = None
    """The customer's category column by which popularity and the report are broken down."""

    @property
    def list_lengths(self) -> dict[HistoryList, int]:
        """The lists that a query has -> how many products of each a model reads.

        There is none of closures or of refusals where no event is one.
        """
        most, events = self.windows.max_recent, self.interactions
        lengths: dict[HistoryList, int] = {"held": self.windows.max_holdings, "recent": most}
        if events.kind == "snapshots" or (events.event and events.release):
            lengths["closed"] = most
        if events.refuse:
            lengths["refused"] = most
        return lengths

    @model_validator(mode="after")
    def _names_exist(self) -> DataConfig:
        tables = self.customers.columns, self.products.columns, self.products.id
        problems = [*self._clashes(), *self._protection_problems(), *policy_problems(self.policy, *tables)]
        if self.segment and self._role("customers", self.segment) != "category":
            problems.append(f"segment = {self.segment!r} is not a category column of customers")
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _clashes(self) -> list[str]:
        faults = {column: input_name_problem(column) for column in self.customers.columns}
        problems = [f"customers has a column {column!r}, {fault}" for column, fault in faults.items() if fault]
        alike = Counter(column.lower() for column in self.customers.columns)
        return problems + [
            f"customers has {count} columns called {name!r} but for the case, which the exported model takes for one; "
            "rename them"
            for name, count in alike.items()
            if count > 1
        ]

    def _protection_problems(self) -> list[str]:
        """Say where a protected column would come to a model all the same, or where nothing can be protected."""
        problems = [
            f"products has a column {name!r} with protected = true, which is for columns of customers; remove it"
            for name, column in self.products.columns.items()
            if column.protected
        ]
        if self.segment and self.segment not in self.customers.model_columns and self.segment in self.customers.columns:
            problems.append(
                f"segment = {self.segment!r} is a protected column, and the ranker reads what is popular in a segment; "
                "choose another segment or remove it (results are measured by protected columns without it)"
            )
        return problems

    def _role(self, table: Literal["customers", "products"], column: str) -> Role | None:
        entity: EntityConfig = getattr(self, table)
        return entity.columns[column].role if column in entity.columns else None


class EncoderConfig(SettingsModel):
    """How raw features become tensors."""

    max_categories: int = Field(1000, ge=1)
    """A category column keeps its so many commonest values; the rest are encoded as unknown."""
    clip: float = Field(6.0, gt=0)
    """Standardised numbers are clipped to this many standard deviations."""
    quantiles: int = Field(64, ge=2)
    """How many quantiles describe a number with transform = "quantile"."""
    text_buckets: int = Field(2048, ge=2)
    """Words are hashed into so many buckets."""
    text_tokens: int = Field(16, ge=1)
    """How many words of a text are read."""

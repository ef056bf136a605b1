"""Guess from three files what their columns mean, as a config that a person then corrects.

Keys are recognised by their names and by whose values occur in whose; a column's role is the narrowest that holds
nearly all its values, so that a single slip is named when the data is loaded and does not turn a number into text.
What the files leave open is a question, and what looks wrong a doubt.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from nextbest.data.config import (
    QUESTION,
    ColumnConfig,
    DataConfig,
    EntityConfig,
    InteractionsConfig,
    NotationConfig,
    Role,
    TableConfig,
    input_name_problem,
)
from nextbest.data.errors import InputError, Problem, quote_value
from nextbest.data.rules import PolicyConfig
from nextbest.data.tables.columns import (
    DOUBTFUL,
    Column,
    find_as_of,
    held_column,
    likeness_to_events,
    lost_role,
    may_be_events,
    read_columns,
    role_of,
    share_of,
)
from nextbest.data.tables.notation import NotationQuestion, find_notation
from nextbest.data.tables.parse import parse_booleans, parse_numbers
from nextbest.data.tables.read import without_password
from nextbest.data.tables.snapshots import are_snapshots, pattern_of
from nextbest.data.tables.words import EVENT_KINDS, EventKind, is_named, kind_of_event, plain

__all__ = ["EventQuestion", "FoundColumn", "Inference", "Question", "infer_config"]

Kind = Literal["customers", "products"]


@dataclass(frozen=True)
class FoundColumn:
    """What a column was taken for."""

    table: str
    """customers, products or interactions."""
    name: str
    role: str
    """A role, or what else it is: id, as_of, customer_id, product_id, timestamp, event, weight, held or unused."""
    share: float
    """The share of its values that are of that role, of those that are not missing."""
    example: str


@dataclass(frozen=True)
class EventQuestion:
    """Which of a column's words mean what, if it says what happened at all."""

    column: str
    words: tuple[str, ...]
    """Those whose meaning is not known, the commonest first."""

    @property
    def why(self) -> str:
        """What is open, for people."""
        return f"column {self.column!r} may say what happened: what do {', '.join(map(quote_value, self.words))} mean?"


Question = NotationQuestion | EventQuestion


@dataclass(frozen=True)
class Inference:
    """What the files say, as far as they do."""

    config: DataConfig
    """Without policy rules (`suggest_rules` has some) and with the default windows; where there is a question, with the
    likeliest answer."""
    columns: tuple[FoundColumn, ...]
    doubts: tuple[str, ...]
    questions: tuple[Question, ...]

    def answer(self, question: Question, answer: str | Mapping[str, EventKind]) -> Inference:
        """Return the inference without a question.

        Args:
            question: One of the `questions`.
            answer: One of its `options`; of words, word -> kind, without any where the column is about something else.
        """
        if isinstance(question, NotationQuestion):
            source = getattr(self.config, question.table).model_copy(update={question.setting: answer})
            config = self.config.model_copy(update={question.table: source})
        else:
            assert not isinstance(answer, str)
            source = self.config.interactions
            kept = set(EVENT_KINDS) | {"event"}  # which are at their defaults where the column says nothing of events
            settings: dict[str, Any] = InteractionsConfig(path="").model_dump(include=kept)
            if answer:
                lists: dict[EventKind, list[str]] = {kind: [*(getattr(source, kind) or ())] for kind in EVENT_KINDS}
                for word, kind in answer.items():
                    lists[kind].append(word)
                settings = {kind: tuple(sorted(words)) for kind, words in lists.items()}
            config = self.config.model_copy(update={"interactions": source.model_copy(update=settings)})
        rest = tuple(other for other in self.questions if other is not question)
        return replace(self, config=config, questions=rest)


class _Finder:
    """Infers a config step by step, and keeps what it found on the way."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.problems: list[Problem] = []
        self.found: list[FoundColumn] = []
        self.doubts: list[str] = []
        self.questions: list[Question] = []

    def columns(self, source: TableConfig) -> list[Column]:
        """Read a table's columns; none, having said why, where it cannot be read."""
        if source.path != without_password(source.path):
            self.doubts.append(
                f"the TOML holds the password of {without_password(source.path)}; give the address as '${{NAME}}', a "
                "variable of the environment, and it does not"
            )
        try:
            return read_columns(source, self.folder)
        except InputError as error:
            self.problems.extend(error.problems)
            return []

    def with_notation(
        self, name: str, columns: Sequence[Column], elsewhere: frozenset[str]
    ) -> tuple[list[Column], NotationConfig, Mapping[str, str]]:
        """Return columns that know how their table writes values, and that notation."""
        formats = {column.name: column.formats for column in columns if column.formats}
        found = find_notation(columns[0].table, name, formats, elsewhere)
        self.questions += found.questions
        table = replace(columns[0].table, notation=found.notation)
        read = []
        for column in columns:
            own = found.columns.get(column.name)
            if column.formats:
                read.append(replace(column, table=table, formats=(own or found.notation.date_format,)))
            else:
                read.append(replace(column, table=table, decimal=own))
        return read, found.notation, found.columns

    def note(self, table: str, column: Column, role: str, share: float = 1.0) -> None:
        """Keep what a column was taken for."""
        self.found.append(FoundColumn(table, column.name, role, share, column.example))
        if share < 1:
            self.doubts.append(
                f"{table}, {column.name!r}: {1 - share:.1%} of the values are no {role}; `run` will name them"
            )

    def entity(
        self, kind: Kind, key: Column, columns: Sequence[Column], source: TableConfig, elsewhere: frozenset[str]
    ) -> EntityConfig:
        """Return what the columns of customers or products mean."""
        features, notation, own = self.with_notation(kind, columns, elsewhere)
        self.note(kind, key, "id")
        features = [column for column in features if column.name != key.name]
        as_of = find_as_of(key, features)
        roles: dict[str, ColumnConfig] = {}
        for column in features:
            if column is as_of:
                self.note(kind, column, "as_of")
                continue
            if kind == "customers" and (fault := _name_problem(column.name, roles)):
                self.note(kind, column, "unused")
                self.doubts.append(f"{kind}, {column.name!r}: left out, {fault}")
                continue
            described = role_of(column, len(key.known))
            setting = {"date": "date_format", "number": "decimal"}.get(described.role)
            if column.name in own and setting:
                described = described.model_copy(update={setting: own[column.name]})
            roles[column.name] = described
            self.note(kind, column, described.role, share_of(column, described.role))
            self.doubts += [f"{kind}, {column.name!r}: {doubt}" for doubt in lost_role(column, described.role)]
        settings = _notation_settings(notation)
        if kind == "products":
            words = (name for name, column in roles.items() if column.role in ("text", "id", "category"))
            settings["name"] = next((name for name in words if is_named(name, "name")), None)
        settings |= {"id": key.name, "as_of": as_of.name if as_of else None}
        return EntityConfig(path=source.path, query=source.query, columns=roles, **settings)

    def key(
        self, kind: Kind, columns: Sequence[Column], events: Sequence[Column]
    ) -> tuple[Column | None, Column | None]:
        """Return the entities' id column and the interactions' column that refers to it."""
        what: str = kind.removesuffix("s")

        def score(entity: Column, event: Column) -> tuple[int, float, int]:
            names = (is_named(event.name, what), is_named(entity.name, what) or plain(entity.name) == "id")
            by_name = sum(names) + (plain(entity.name) == plain(event.name))
            return by_name, len(event.known & entity.known) / len(event.known), len(entity.known)

        pairs = [(entity, event) for entity in columns for event in events if entity.complete and event.complete]
        best = max(pairs, key=lambda pair: score(*pair), default=None)
        by_name, met, _ = score(*best) if best else (0, 0.0, 0)
        if best is None or not (met > DOUBTFUL or by_name > 1):  # one name alone may mean anything
            problem = f"no column identifies the {what} in both the {kind} and the interactions"
            remedy = f"name it '{what}_id' in both files"
            self.problems.append(Problem(columns[0].table.file, None, None, problem, remedy))
            return None, None
        entity, event = best
        if event.known - entity.known:
            strange = sorted(event.known - entity.known)
            self.doubts.append(
                f"interactions, {event.name!r}: {len(strange):,} of {len(event.known):,} {kind} are not in the "
                f"{kind}' file, which spells ids {quote_value(entity.example)} where this has "
                f'{quote_value(strange[0])}; set unknown to "drop" to leave such rows out'
            )
        return entity, event

    def timestamp(self, file: str, columns: Sequence[Column]) -> Column | None:
        """Return the interactions' column of dates; None, having said why, where none is one."""
        dated = [column for column in columns if column.complete and column.may_be_dates]
        if not dated:
            self.problems.append(self._no_date(file, columns))
        return min(dated, key=lambda column: not is_named(column.name, "time"), default=None)

    def product_columns(self, columns: Sequence[Column], events: Sequence[Column]) -> tuple[Column, list[str]] | None:
        """Return the products' id column and the interactions' columns that are named like ids; None without such.

        They are snapshots with a column per product.
        """
        names = {column.name for column in events if column.values(parse_booleans) is not None}
        found = [(column, names & column.known) for column in columns if column.complete]
        product, named = max(found, key=lambda pair: len(pair[1]), default=(None, set[str]()))
        if product is None or len(named) < max(2, DOUBTFUL * len(product.known)):
            return None
        return product, [column.name for column in events if column.name in named]

    def snapshots(
        self, customer: Column, timestamp: Column, names: Sequence[str], elsewhere: frozenset[str]
    ) -> dict[str, Any]:
        """Return the settings of snapshots with a column per product, but for their path."""
        _, notation, _ = self.with_notation("interactions", [timestamp], elsewhere)
        self.note("interactions", customer, "customer_id")
        self.note("interactions", timestamp, "timestamp")
        self.found.append(FoundColumn("interactions", f"{names[0]} to {names[-1]}", "products", 1.0, "0 or 1"))
        return {
            "kind": "snapshots",
            "customer_id": customer.name,
            "timestamp": timestamp.name,
            "products": pattern_of(names, customer.table.header),
            **_notation_settings(notation),
        }

    def interactions(
        self, customer: Column, product: Column, timestamp: Column, rest: Sequence[Column], elsewhere: frozenset[str]
    ) -> dict[str, Any]:
        """Return the settings of the interactions, but for their path."""
        read, notation, _ = self.with_notation("interactions", [timestamp], elsewhere)
        self.note("interactions", customer, "customer_id")
        self.note("interactions", product, "product_id")
        self.note("interactions", timestamp, "timestamp", read[0].share(read[0].days))
        days = read[0].values(read[0].days)
        if days is not None and are_snapshots(customer.codes, product.codes, np.nan_to_num(days)):
            held = held_column(rest)
            says = f"a row says so where {held.name!r} is above 0" if held else "each row says so"
            self.doubts.append(f"interactions: read as what is held month by month, and {says}; correct kind and held")
            for column in rest:
                self.note("interactions", column, "held" if column is held else "unused")
            acts: dict[str, Any] = {"kind": "snapshots", "held": held.name if held else None}
        else:
            acts = self._event_and_weight(rest)
        keys = {"customer_id": customer.name, "product_id": product.name, "timestamp": timestamp.name}
        return {**keys, **_notation_settings(notation), **acts}

    def _no_date(self, file: str, columns: Sequence[Column]) -> Problem:
        named = [column for column in columns if is_named(column.name, "time")]
        if not named:
            remedy = "add a column 'timestamp' with a date in every row"
            return Problem(file, None, None, "no column has a date in every row", remedy)
        if not named[0].complete:
            what = "the date is missing in some rows"
            return Problem(file, named[0].name, None, what, "give each row a date, or remove the row")
        what = f"no notation of dates that nextbest knows fits its values, such as {quote_value(named[0].example)}"
        return Problem(file, named[0].name, None, what, "write dates as YYYY-MM-DD")

    def _event_and_weight(self, columns: Sequence[Column]) -> dict[str, Any]:
        """Return the settings of the event and weight columns, as far as there are any."""
        found: dict[str, Any] = {}
        weights = [column for column in columns if is_named(column.name, "weight")]
        for column in weights[:1]:
            values = column.values(parse_numbers)
            if values is not None and not (values < 0).any():
                found["weight"] = column.name
                self.note("interactions", column, "weight")
        words = [column for column in columns if may_be_events(column) and column.name != found.get("weight")]
        if any(column.name == QUESTION for column in words):
            self.doubts.append(f"interactions, {QUESTION!r}: left out, since an open setting is called so; rename it")
        words = [column for column in words if column.name != QUESTION]
        event = max(words, key=likeness_to_events, default=None)
        for column in columns:
            if column is not event and column.name != found.get("weight"):
                self.note("interactions", column, "unused")
        if event is None:
            self.doubts.append("interactions: no column says what happened, so every row is an acquisition")
            return found
        self.note("interactions", event, "event")
        kinds = {word: kind_of_event(word) for word in sorted(event.known)}
        lists: dict[str, tuple[str, ...]] = {
            kind: tuple(word for word, meant in kinds.items() if meant == kind) for kind in EVENT_KINDS
        }
        unknown = {word for word, kind in kinds.items() if kind is None}
        if unknown or not lists["acquire"]:
            counts = np.bincount(event.codes, minlength=len(event.strings))
            common = [str(event.strings[place]) for place in np.argsort(-counts, kind="stable")]
            asked = [word for word in common if word in unknown] or [word for word in common if word in kinds]
            self.questions.append(EventQuestion(event.name, tuple(asked)))
        return found | {"event": event.name, **lists}


def infer_config(customers: TableConfig, products: TableConfig, interactions: TableConfig, folder: Path) -> Inference:
    """Guess the config of three tables.

    Args:
        customers: the customers; only where they are matters.
        products: the products.
        interactions: the interactions.
        folder: where the TOML will stand, at which relative paths start.

    Raises:
        InputError: with everything that is not a table, and all that cannot be guessed.
    """
    finder = _Finder(folder)
    ours, theirs, events = (finder.columns(source) for source in (customers, products, interactions))
    if finder.problems:
        raise InputError(finder.problems)
    sure = frozenset(
        column.formats[0] for column in (*ours, *theirs, *events) if len(column.formats) == 1 and column.complete
    )
    file = events[0].table.file
    wide = finder.product_columns(theirs, events)
    if wide is not None:  # the customers' columns may stand in the same file
        ours = [column for column in ours if column.name not in wide[1]]
        events = [column for column in events if column.name not in wide[1]]
    customer, customer_reference = finder.key("customers", ours, events)
    rest = [column for column in events if column is not customer_reference]
    product, product_reference = (wide[0], None) if wide else finder.key("products", theirs, rest)
    rest = [column for column in rest if column is not product_reference]
    timestamp = finder.timestamp(file, rest)
    if not (customer and customer_reference and product and timestamp):
        raise InputError(finder.problems)
    customer_entity = finder.entity("customers", customer, ours, customers, sure)
    product_entity = finder.entity("products", product, theirs, products, sure)
    rest = [column for column in rest if column is not timestamp]
    if product_reference is None:
        acts = finder.snapshots(customer_reference, timestamp, wide[1] if wide else (), sure)
    else:
        acts = finder.interactions(customer_reference, product_reference, timestamp, rest, sure)
    config = DataConfig(
        customers=customer_entity,
        products=product_entity,
        interactions=InteractionsConfig(path=interactions.path, query=interactions.query, **acts),
        policy=PolicyConfig(
            risk_column=_first_named(product_entity, "number", "risk"),
            category_column=_first_named(product_entity, "category", "category"),
        ),
        segment=_first_named(customer_entity, "category", "segment"),
    )
    return Inference(config, tuple(finder.found), tuple(finder.doubts), tuple(finder.questions))


def _name_problem(name: str, taken: Iterable[str]) -> str | None:
    """Return why a customers' column cannot be an input beside those that are taken; None if it can."""
    if other := next((other for other in taken if other.lower() == name.lower()), None):
        return f"since the exported model would take it and {other!r} for one; rename it"
    return input_name_problem(name)


def _notation_settings(notation: NotationConfig) -> dict[str, Any]:
    return notation.model_dump(include=set(NotationConfig.model_fields))


def _first_named(entity: EntityConfig, role: Role, what: str) -> str | None:
    names = (name for name, column in entity.columns.items() if column.role == role and is_named(name, what))
    return next(names, None)

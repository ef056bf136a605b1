"""The recommender: an exported version that answers, in this process or at a server, with what lies in its assets."""

from __future__ import annotations

import io
import weakref
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, get_args

import numpy as np

from nextbest.data.config import HistoryList
from nextbest.data.dataset import Array, Features, positions_of
from nextbest.data.errors import InputError, Problem
from nextbest.data.remote import is_remote
from nextbest.graph.served_inputs import missing_values
from nextbest.serving.arguments import as_number, as_words
from nextbest.serving.artifacts.assets import (
    ASSETS,
    COMPOSITE,
    COMPOSITE_SCANN,
    CUSTOMERS,
    EXPORT_FORMAT,
    MANIFEST,
    PRODUCTS,
    Table,
    read_manifest,
)
from nextbest.serving.artifacts.replay import WARMUP
from nextbest.serving.backends import Backend, BackendError, InputSpec
from nextbest.serving.data_age import DataAge
from nextbest.serving.store.versions import copy_newest, latest_version, versions

if TYPE_CHECKING:
    from nextbest.serving.backends.config import ClientConfig

__all__ = [
    "Filters",
    "HasProducts",
    "Recommendations",
    "Recommender",
    "categories",
    "product_categories",
    "product_names",
    "risks",
]


@dataclass(frozen=True)
class Filters:
    """What narrows a recommendation for all customers of a request."""

    max_risk: float | None = None
    """The highest product risk wanted."""
    categories: Sequence[str] = ()
    """The product categories wanted; none means all."""
    exclude: Sequence[str] = ()
    """Product ids that must not come back."""

    def __post_init__(self) -> None:
        """Take what is meant: '3' for 3, a single category for a list of one.

        Raises:
            InputError: Something cannot be meant.
        """
        object.__setattr__(self, "max_risk", as_number("max_risk", self.max_risk))
        for name in ("categories", "exclude"):
            object.__setattr__(self, name, as_words(name, getattr(self, name)))

    def arrays(self, batch: int) -> Features:
        """Return the filters as inputs of a request of `batch` customers."""
        return {
            "max_risk": np.full(batch, np.nan if self.max_risk is None else self.max_risk, np.float32),
            "categories": np.tile(np.array(self.categories, object), (batch, 1)),
            "exclude": np.tile(np.array(self.exclude, object), (batch, 1)),
        }


@dataclass(frozen=True)
class Recommendations:
    """Products per customer, best first; a row's entries after `count` are padding ('' and 0)."""

    product_id: Array
    """Object str, [batch, k]."""
    probability: Array
    """Calibrated probability of a purchase within the horizon, NaN where none is told, float32, [batch, k]."""
    similarity: Array
    """Retrieval's cosine, float32, [batch, k]."""
    retrieval_rank: Array
    """Place before ranking, from 1, int32, [batch, k]."""
    count: Array
    """How many products were found, int32, [batch]."""

    def hide_probability(self, rows: Array) -> Recommendations:
        """Return the same without a probability for some customers, bool [batch]."""
        return replace(self, probability=np.where(rows[:, None], np.float32(np.nan), self.probability))


class Recommender:
    """One version: its assets, and a backend that answers for it.

    Once it is loaded it does not need the version's folder, which may be removed: it holds the bytes of the assets. All
    of it is freed when no one uses it any more, if it was not closed before.
    """

    def __init__(self, folder: Path, backend: Backend | None = None, server: str | None = None) -> None:
        """Load one version.

        Args:
            folder: A version's folder, MODELS/recommender/VERSION.
            backend: What answers; without it the model is loaded that the version's manifest chose.
            server: The URL of the server that the backend asks, None where it answers itself.

        Raises:
            FileNotFoundError: There is no model.
            InputError: The export has another format than this program reads.
        """
        if backend is None:
            from nextbest.serving.backends.local import LocalBackend  # imports TensorFlow

            backend = LocalBackend.of_version(folder)
        self.folder = folder
        self.server = server
        self.manifest = read_manifest(folder)
        _check_format(folder, self.manifest)
        self.products = Table.load(folder / ASSETS / PRODUCTS)
        described = self.manifest["customers"]["columns"]
        self._protected = {name for name, column in described.items() if column.get("protected")}
        self._backend = backend
        self._specs = backend.inputs("exclusions")
        self._assets = _read_assets(folder)
        self._free = weakref.finalize(self, backend.close)

    @property
    def index(self) -> str:
        """What finds the candidates: 'exact' or 'scann'."""
        return "scann" if self._backend.model_name == COMPOSITE_SCANN else "exact"

    @property
    def age(self) -> DataAge:
        """How old is what it knows."""
        return DataAge.of(self.manifest)

    @property
    def customer_columns(self) -> tuple[str, ...]:
        """The customer columns that a request carries."""
        return tuple(name for name in self._specs if name in self.manifest["customers"]["columns"])

    @property
    def model_columns(self) -> tuple[str, ...]:
        """Those of them that the models read; the others are read by the rules alone."""
        read = self._backend.inputs("embed_customer")
        return tuple(name for name in self.customer_columns if name in read)

    @property
    def history_lists(self) -> tuple[HistoryList, ...]:
        """The lists of products that a request carries."""
        return tuple(name for name in get_args(HistoryList) if f"{name}_products" in self._specs)

    @classmethod
    def load(cls, models: Path | str, backend: str = "local", config: ClientConfig | None = None) -> Recommender:
        """Load the newest version below a MODELS folder, or connect to a server that answers for the one it serves.

        Args:
            models: MODELS, here or at an address such as s3://bank/models; a server's answers are read with the
                products and customers that lie there.
            backend: 'local', or the URL of a TF Serving (see `serving.backends.connect`).
            config: The client's settings.

        Raises:
            FileNotFoundError: There is no version.
            InputError: The URL, the address or the config cannot be used, or MODELS lacks the version that the server
                serves.
            BackendError: The server does not answer, or does not serve the model.
        """
        if isinstance(models, str) and is_remote(models):
            models = copy_newest(models)
        folder = Path(models) / COMPOSITE
        if backend == "local":
            return cls(latest_version(folder))
        from nextbest.serving.backends.connect import connect  # imports pydantic, and httpx or TensorFlow

        with ExitStack() as opened:
            server = opened.enter_context(closing(connect(backend, config)))
            found = versions(folder)
            if server.version not in found:
                what = f"version {server.version}, which {backend} serves, is not there (there are {found})"
                remedy = "name the MODELS that the server serves, or copy that version from them"
                raise InputError([Problem(str(folder), None, None, what, remedy)])
            recommender = cls(folder / str(server.version), server, backend)
            opened.pop_all()
        return recommender

    def close(self) -> None:
        """Free what the backend holds."""
        self._free()

    def customers(self) -> Table:
        """Return the customers as of the cutoff as raw requests, read-only; without a snapshot the table is empty."""
        return self._customers

    @cached_property
    def _customers(self) -> Table:
        """The snapshot; decoding 10,000 customers takes fourteen times as long as an answer."""
        snapshot = self.asset(CUSTOMERS)
        if snapshot is None:
            return Table(np.zeros(0, object), self.complete({}, 0))
        table = Table.load(snapshot)
        for values in (table.ids, *table.columns.values()):
            values.flags.writeable = False  # all callers have the same
        return table

    def knows(self, ids: Array) -> Array:
        """Return which customers the snapshot has, bool, same shape as `ids`."""
        known: Array = positions_of(ids, self._known_ids) >= 0
        return known

    @cached_property
    def _known_ids(self) -> Array:
        """The snapshot's ids, sorted, without the rest of it."""
        snapshot = self.asset(CUSTOMERS)
        if snapshot is None:
            return np.zeros(0, object)
        with np.load(snapshot) as arrays:
            ids: Array = arrays["ids"].astype(object)
        return ids

    def asset(self, name: str) -> io.BytesIO | None:
        """Open a file of `assets.extra`, save those that are held as attributes; None where the export lacks it."""
        content = self._assets.get(name)
        return None if content is None else io.BytesIO(content)

    def has_signature(self, name: str) -> bool:
        """Return whether the model has a signature; older exports lack some."""
        try:
            self._backend.inputs(name)
        except BackendError:
            return False
        return True

    def complete(self, request: Mapping[str, Array], batch: int) -> Features:
        """Fill up a request: a feature that it lacks is missing (NaN, '' or an empty list), the day is the cutoff.

        Args:
            request: Some of the raw request's inputs, [batch, ...]. A protected column that no rule reads is left out.
            batch: The number of customers.

        Raises:
            ValueError: It names an input that the model does not have.
        """
        if unknown := sorted(set(request) - set(self._specs) - self._protected):
            raise ValueError(f"the model has no inputs {unknown}; it has {sorted(self._specs)}")
        return {name: request.get(name, self._default(name, spec, batch)) for name, spec in self._specs.items()}

    def recommend(self, request: Mapping[str, Array], k: int, filters: Filters | None = None) -> Recommendations:
        """Recommend up to `k` products to each customer.

        Args:
            request: A raw request (see `graph.query`); what it lacks is missing.
            k: How many products at most.
            filters: Narrow the result.

        Raises:
            ValueError: k is below 1, the request is empty, its inputs differ in length, or one is unknown.
        """
        if k < 1:
            raise ValueError(f"k = {k}: ask for at least 1 product")
        inputs = self._inputs(request, filters)
        inputs["k"] = np.full(len(inputs["as_of_day"]), k, np.int64)
        found = self._backend.predict("recommend", inputs)
        # A server that joins requests answers as wide as the largest k among them.
        return Recommendations(
            **{name: values[:, :k] if values.ndim == 2 else values for name, values in found.items()}
        )

    def exclusions(self, request: Mapping[str, Array], filters: Filters | None = None) -> Array:
        """Return why each product must not be shown to each customer, object str, [batch, products].

        All reasons, each on a line of its own; '' where it may be shown.

        Args:
            request: As for `recommend`.
            filters: Narrow the result.

        Raises:
            ValueError: As for `recommend`.
        """
        return self._backend.predict("exclusions", self._inputs(request, filters))["reason"]

    def predict(self, signature: str, request: Mapping[str, Array]) -> Features:
        """Answer any of the composite's signatures.

        Args:
            signature: Its name.
            request: Its inputs, [batch, ...]; one that it lacks is missing, and one that the signature does not take is
                left out.

        Raises:
            BackendError: There is no such signature, or the backend does not answer.
        """
        specs = self._backend.inputs(signature)
        batch = len(next(iter(request.values())))
        inputs = {
            name: request[name] if name in request else self._default(name, spec, batch) for name, spec in specs.items()
        }
        return self._backend.predict(signature, {name: inputs[name].astype(specs[name].dtype) for name in specs})

    def _inputs(self, request: Mapping[str, Array], filters: Filters | None) -> Features:
        """Return a completed request with its filters, as the model's types."""
        lengths = {name: len(values) for name, values in request.items()}
        if len(set(lengths.values())) != 1:
            raise ValueError(f"a request needs inputs of one length, and these have {lengths}")
        batch = next(iter(lengths.values()))
        filled = self.complete({**request, **(filters or Filters()).arrays(batch)}, batch)
        return {name: filled[name].astype(spec.dtype) for name, spec in self._specs.items()}

    def _default(self, name: str, spec: InputSpec, batch: int) -> Array:
        shape = (batch, 0) if spec.rank == 2 else (batch,)
        if name == "as_of_day":
            return np.full(shape, self.manifest["as_of_day"], spec.dtype)
        return missing_values(spec.dtype, shape)


def _check_format(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Refuse an export that this program cannot read, whatever its version says."""
    found = manifest.get("format", 0)
    if 1 <= found <= EXPORT_FORMAT:
        return
    if found < 1:
        what, remedy = "it was exported by nextbest 0.2", "push the run's models again: train it by this version first"
    else:
        what = f"it has format {found}, and this nextbest reads formats up to {EXPORT_FORMAT}"
        remedy = "install the nextbest that exported it, or a newer one"
    raise InputError([Problem(str(folder), None, None, what, remedy)])


def _read_assets(folder: Path) -> dict[str, bytes]:
    """Return what the files of `assets.extra` hold, but those that are read already and the warmup records."""
    left_out = (MANIFEST, PRODUCTS, Path(WARMUP).name)
    files = (path for path in (folder / ASSETS).iterdir() if path.is_file() and path.name not in left_out)
    return {path.name: path.read_bytes() for path in files}


class HasProducts(Protocol):
    """What has an export's products, such as a `Recommender`."""

    @property
    def manifest(self) -> Mapping[str, Any]:
        """The export's manifest."""

    @property
    def products(self) -> Table:
        """The products."""


_NAME = "name"


def product_names(export: HasProducts) -> Array:
    """Return the products' names, object str, [num_products]; the id where there is none.

    The name is what the config says it is, else the column called so, else the first with the role id, which is there
    for people and read by no model.
    """
    products, described = export.products, export.manifest["products"]["columns"]
    stated = export.manifest["products"].get("name")  # exports of 0.3.0 have none
    text_columns = [column for column, values in products.columns.items() if values.dtype == object]
    id_columns = [column for column in text_columns if described[column]["role"] == "id"]
    column = stated or (_NAME if _NAME in text_columns else next(iter(id_columns), None))
    if column is None:
        return products.ids
    names = products.columns[column]
    return np.where(names == "", products.ids, names)


def product_categories(export: HasProducts) -> Array:
    """Return the products' categories by the policy's category column, '' for unknown, object str, [num_products]."""
    column = export.manifest["policy"]["category_column"]
    if column is None:
        return np.full(len(export.products.ids), "", object)
    return export.products.columns[column]


def categories(export: HasProducts) -> list[str]:
    """Return the categories that there are, sorted; none where the policy names no column of them."""
    return sorted(set(product_categories(export)) - {""})


def risks(export: HasProducts) -> Array:
    """Return the risks that there are, ascending; none where the policy names no column of them."""
    column = export.manifest["policy"]["risk_column"]
    values = np.zeros(0) if column is None else export.products.columns[column]
    return np.unique(values[np.isfinite(values)])

"""What all tabs of the page share: the `Tab` protocol, the page's selection, and how events report errors.

A tab is computed when it is looked at, and not before. `SharedComponents.selection` reads the controls into a
`Selection`; `listen` connects an event to a function, and `show_errors` turns what a user can fix into a message.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import wraps
from inspect import isgeneratorfunction
from pathlib import Path
from typing import Any, ParamSpec, Protocol, TypeVar

import gradio as gr
from gradio.components import Component
from gradio.context import LocalContext
from gradio.events import Dependency
from markupsafe import Markup

from nextbest.data.errors import FailedError, InputError
from nextbest.serving.backends import BackendError
from nextbest.serving.language import ENGLISH, language_of, say, speak
from nextbest.serving.recommender import Filters
from nextbest.ui.page.config import PageConfig
from nextbest.ui.page.controls import Controls, read_filters
from nextbest.ui.page.html import empty_state
from nextbest.ui.page.version_data import CurrentVersion, SelectedCustomer, VersionData

__all__ = [
    "Selection",
    "SharedComponents",
    "Tab",
    "Updates",
    "error_text",
    "in_readers_language",
    "listen",
    "make_upload",
    "no_customer",
    "show_errors",
]


def no_customer() -> Markup:
    """Return what a tab about a customer shows without one."""
    return empty_state(say("no-customer"), say("no-customer-do"))


Updates = dict[Component, Any]
"""Component -> what it shows from now on."""


@dataclass(frozen=True)
class Selection:
    """What is selected on the page: a customer, the controls' values and a product."""

    customer: SelectedCustomer
    top: int
    """How many products are recommended."""
    filters: Filters
    product_id: str
    """The selected product; '' or one that is not recommended means the first recommended one."""


@dataclass(frozen=True)
class SharedComponents:
    """The components that all tabs share."""

    current: CurrentVersion
    config: PageConfig
    controls: Controls
    tabs: gr.Tabs
    card: gr.HTML
    """Says who the customer is."""
    visible_tab: gr.State
    """The id of the tab that is looked at."""
    customer: gr.State
    """A `SelectedCustomer`."""
    product_id: gr.State
    """The selected product."""

    @property
    def inputs(self) -> list[Component]:
        """The arguments of `selection` behind the version's data."""
        return [self.customer, self.product_id, *self.controls.inputs]

    def selection(
        self, data: VersionData, customer: SelectedCustomer, product_id: str, top: float, *filters: Any
    ) -> Selection:
        """Return what the components select.

        Raises:
            InputError: They name what the version does not have.
        """
        return Selection(customer, int(top), read_filters(data, self.config, *filters), product_id)


class Tab(Protocol):
    """One tab. Its constructor lays out its components."""

    id: str
    tab: gr.Tab
    depends_on_controls: bool
    """Whether what it shows depends on the controls, and not on the customer alone."""

    @property
    def outputs(self) -> Sequence[Component]:
        """The components that `content` fills."""

    def content(self, data: VersionData, selection: Selection) -> Updates:
        """Compute what the tab shows.

        Raises:
            InputError: There is no answer to the selection.
        """

    def connect(self, shared: SharedComponents) -> None:
        """Say what happens when the tab's own controls are used."""


Args = ParamSpec("Args")
Answer = TypeVar("Answer")


def listen(
    triggers: Callable[..., Any] | Sequence[Callable[..., Any]],
    function: Callable[..., Any],
    inputs: Sequence[Component],
    outputs: Sequence[Component | gr.Tabs],
    **settings: Any,
) -> Dependency:
    """Call a function when a component is used, and show the errors that a user can fix.

    The function does not become an endpoint of the service.

    Args:
        triggers: Events of components.
        function: From the inputs' values to `Updates` of the outputs, or to some of them one after another.
        inputs: Components whose values it gets.
        outputs: Components that it may change.
        **settings: Of `gr.on`.

    Returns:
        The event, which another one may cancel.
    """
    settings = {"api_visibility": "private", "show_progress": "minimal"} | settings
    return gr.on(triggers, show_errors(in_readers_language(function)), inputs, outputs, **settings)


def show_errors(function: Callable[Args, Answer]) -> Callable[Args, Answer]:
    """Show what a user can fix as a message on the page; any other error is a failure, and fails."""

    @wraps(function)
    def checked(*args: Args.args, **kwargs: Args.kwargs) -> Answer:
        with _errors_on_the_page():
            return function(*args, **kwargs)

    @wraps(function)
    def checked_parts(*args: Args.args, **kwargs: Args.kwargs) -> Any:
        with _errors_on_the_page():
            yield from function(*args, **kwargs)  # type: ignore[misc]

    return checked_parts if isgeneratorfunction(function) else checked


@contextmanager
def _errors_on_the_page() -> Iterator[None]:
    try:
        yield
    except InputError as error:
        raise gr.Error(error_text(error), print_exception=False) from None
    except (BackendError, FailedError) as error:
        raise gr.Error(str(error), print_exception=False) from None


def in_readers_language(function: Callable[Args, Answer]) -> Callable[Args, Answer]:
    """Speak what the address of the page asks for (?lang=de), else what the browser prefers."""

    @wraps(function)
    def speaking(*args: Args.args, **kwargs: Args.kwargs) -> Answer:
        with speak(_readers_language()):
            return function(*args, **kwargs)

    @wraps(function)
    def speaking_parts(*args: Args.args, **kwargs: Args.kwargs) -> Any:
        language, nothing_more = _readers_language(), object()
        with closing(function(*args, **kwargs)) as parts:  # type: ignore[type-var]
            while True:
                with speak(language):  # for each part, since gradio asks for each in a context of its own
                    part = next(parts, nothing_more)  # type: ignore[call-overload]
                if part is nothing_more:
                    return
                yield part

    return speaking_parts if isgeneratorfunction(function) else speaking


def _readers_language() -> str:
    request = LocalContext.request.get(None)
    return ENGLISH if request is None else language_of(request.query_params, request.headers)


def error_text(error: InputError) -> str:
    """Return an input's problems without the places of files on this machine."""
    return "\n".join(f"{problem.what}; {problem.remedy}" for problem in error.problems)


def make_upload(**settings: Any) -> gr.File:
    """Return a component for a file of the upload folder.

    Gradio's own would also fetch an address that a client names in place of a file. (A class of its own would make
    gradio write a stub file beside this module.)

    Args:
        **settings: Of `gr.File`.
    """
    file = gr.File(**settings)
    move = file.async_move_resource_to_block_cache

    async def move_local(url_or_file_path: str | Path | None) -> str | None:
        if url_or_file_path is not None and "://" in str(url_or_file_path):
            raise gr.Error("Upload the file itself, not an address.", print_exception=False)
        return await move(url_or_file_path)

    file.async_move_resource_to_block_cache = move_local  # type: ignore[method-assign]
    return file

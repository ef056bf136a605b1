"""What a tab of the page is: it is computed when it is looked at, and not before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, Protocol, TypeVar

import gradio as gr
from gradio.components import Component

from nextbest.data.errors import FailedError, InputError
from nextbest.serving.backends import BackendError
from nextbest.serving.recommender import Filters
from nextbest.ui.page.config import PageConfig
from nextbest.ui.page.controls import Controls, filters_of
from nextbest.ui.page.html import empty
from nextbest.ui.page.version_data import Desk, Desks, Person

__all__ = ["NOBODY", "Asked", "Shared", "Shown", "Tab", "listen", "readable", "told", "upload_of"]

NOBODY = empty("No customer is chosen", "Search a customer by id, or upload a profile.")
"""What a tab about a customer shows without one."""

Shown = dict[Component, Any]
"""Component -> what it shows from now on."""


@dataclass(frozen=True)
class Asked:
    """What the controls of the page say."""

    person: Person
    top: int
    filters: Filters
    chosen: str
    """The id of the chosen product; '' or one that is not among the offers means the first of them."""


@dataclass(frozen=True)
class Shared:
    """What all tabs share."""

    desks: Desks
    config: PageConfig
    controls: Controls
    tabs: gr.Tabs
    card: gr.HTML
    """Who the customer is."""
    visible: gr.State
    """The id of the tab that is looked at."""
    person: gr.State
    """A Person."""
    chosen: gr.State
    """The id of the chosen product."""

    @property
    def inputs(self) -> list[Component]:
        """What `asked` is made of."""
        return [self.person, self.chosen, *self.controls.inputs]

    def asked(self, desk: Desk, person: Person, chosen: str, top: float, *filters: Any) -> Asked:
        """Return what the controls say.

        Raises:
            InputError: They name what the version does not have.
        """
        return Asked(person, int(top), filters_of(desk, self.config, *filters), chosen)


class Tab(Protocol):
    """One tab. Its constructor lays out its components."""

    id: str
    tab: gr.Tab
    follows: bool
    """Whether what it shows depends on the controls, and not on the customer alone."""

    @property
    def outputs(self) -> Sequence[Component]:
        """The components that `content` fills."""

    def content(self, desk: Desk, asked: Asked) -> Shown:
        """Compute what the tab shows.

        Raises:
            InputError: What was asked cannot be answered.
        """

    def connect(self, shared: Shared) -> None:
        """Say what happens when the tab's own controls are used."""


def listen(
    triggers: Callable[..., Any] | Sequence[Callable[..., Any]],
    function: Callable[..., Any],
    inputs: Sequence[Component],
    outputs: Sequence[Component | gr.Tabs],
    **more: Any,
) -> None:
    """Call a function when something is used; what the user can fix is told. It is no endpoint of the service."""
    gr.on(triggers, told(function), inputs, outputs, **{"api_visibility": "private", "show_progress": "minimal"} | more)


Given = ParamSpec("Given")
Answer = TypeVar("Answer")


def readable(error: InputError) -> str:
    """Return an input's problems without the places of files on this machine."""
    return "\n".join(f"{found.what}; {found.remedy}" for found in error.problems)


def told(function: Callable[Given, Answer]) -> Callable[Given, Answer]:
    """Make what a user can fix a message on the page; anything else is a failure, and fails."""

    @wraps(function)
    def asked(*given: Given.args, **named: Given.kwargs) -> Answer:
        try:
            return function(*given, **named)
        except InputError as error:
            raise gr.Error(readable(error), print_exception=False) from None
        except (BackendError, FailedError) as error:
            raise gr.Error(str(error), print_exception=False) from None

    return asked


def upload_of(**settings: Any) -> gr.File:
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

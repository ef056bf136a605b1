"""What goes wrong, told to who asked and not to the log: a message may name a customer."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import gradio as gr

from nextbest.data.problems import FailedError, InputError
from nextbest.serving.backends import BackendError

__all__ = ["readable", "told"]

Given = ParamSpec("Given")
Answer = TypeVar("Answer")


def readable(error: InputError) -> str:
    """Return an input's problems without the places of files on this machine."""
    return "\n".join(f"{found.what}; {found.remedy}" for found in error.problems)


def told(function: Callable[Given, Answer]) -> Callable[Given, Answer]:
    """Make what a user can mend a message on the page; anything else is a failure, and fails."""

    @wraps(function)
    def asked(*given: Given.args, **named: Given.kwargs) -> Answer:
        try:
            return function(*given, **named)
        except InputError as error:
            raise gr.Error(readable(error), print_exception=False) from None
        except (BackendError, FailedError) as error:
            raise gr.Error(str(error), print_exception=False) from None

    return asked

"""The interface of all backends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

import numpy as np

from nextbest.data.dataset import Array, Features
from nextbest.data.problems import FailedError

__all__ = ["Backend", "BackendError", "InputSpec"]


class BackendError(FailedError):
    """A backend did not answer; the message names it, says what is wrong, and what to do."""


class InputSpec(NamedTuple):
    """What a signature takes under a name. Every input has a row per customer."""

    dtype: np.dtype
    """object for words, else float32 or int64."""
    rank: int
    """1 is a value per customer, 2 a list of any length."""


class Backend(Protocol):
    """Answers the composite's signatures."""

    def inputs(self, signature: str) -> dict[str, InputSpec]:
        """Return what a signature takes.

        Raises:
            BackendError: The model has no such signature, or the backend does not answer.
        """

    def predict(self, signature: str, inputs: Mapping[str, Array]) -> Features:
        """Answer a signature.

        Args:
            signature: Its name.
            inputs: All inputs of the signature, [batch, ...], words as object str.

        Returns:
            The outputs, [batch, ...], words as object str.

        Raises:
            BackendError: The inputs are refused, or the backend does not answer.
        """

    def close(self) -> None:
        """Free what the backend holds."""

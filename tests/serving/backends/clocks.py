"""Time that passes only when somebody sleeps."""

from __future__ import annotations

import random
from collections.abc import Callable

from nextbest.serving.backends.server import Clock

__all__ = ["FakeTime"]


class FakeTime:
    """A clock for the client; nothing waits."""

    def __init__(self, on_sleep: Callable[[], None] = lambda: None) -> None:
        self.time = 0.0
        self.pauses: list[float] = []
        self._on_sleep = on_sleep

    def sleep(self, seconds: float) -> None:
        """Pass time, then let the test do something."""
        self.pauses.append(seconds)
        self.time += seconds
        self._on_sleep()

    def clock(self) -> Clock:
        """Return what `connect` takes."""
        return Clock(lambda: self.time, self.sleep, random.Random(3))

"""Asking again, for a while, a server that is unavailable."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from nextbest.serving.backends.config import ClientConfig
from nextbest.serving.backends.errors import UNAVAILABLE, ServerError

__all__ = ["Clock", "with_retries"]

T = TypeVar("T")


@dataclass(frozen=True)
class Clock:
    """Time and chance, which tests replace."""

    now: Callable[[], float] = time.monotonic
    """Seconds since some moment."""
    sleep: Callable[[float], None] = time.sleep
    """Wait so many seconds."""
    chance: random.Random = field(default_factory=random.Random)
    """Draws the pauses, so that clients that failed together do not come back together."""


def with_retries(ask: Callable[[float], T], config: ClientConfig, clock: Clock) -> T:
    """Ask until there is an answer, other than that the server is unavailable, or the deadline or the attempts end.

    The pauses are "full jitter" of Brooker, Exponential Backoff And Jitter, AWS Architecture Blog, 2015.

    Args:
        ask: Called with the seconds that are left.
        config: The deadline, the number of attempts and the pauses.
        clock: The time.

    Raises:
        ServerError: The last attempt's.
    """
    until = clock.now() + config.deadline_seconds
    longest = config.backoff_seconds
    attempt = 1
    while True:
        try:
            return ask(until - clock.now())
        except ServerError as error:
            pause = clock.chance.uniform(0, min(longest, config.max_backoff_seconds))
            if error.code != UNAVAILABLE or attempt == config.attempts or clock.now() + pause >= until:
                raise
        clock.sleep(pause)
        attempt += 1
        longest *= 2

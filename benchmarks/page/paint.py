"""How fast the page is in a browser: first paint, and answers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.page.browser import browser, choose, reach
from benchmarks.page.process import Latencies, latencies, opened_page, served

__all__ = ["Paint", "markdown", "paint"]

_FIRST_PAINT = "() => performance.getEntriesByName('first-contentful-paint')[0].startTime / 1000"


@dataclass(frozen=True)
class Paint:
    """What a browser measured."""

    cold_seconds: float
    """First contentful paint (W3C Paint Timing) of the first visit, after the models are loaded."""
    warm_seconds: float
    """Its median over visits with an empty cache that follow."""
    answers: Latencies
    """From choosing a customer until the table of the top products is painted."""


def paint(models: Path, customers: int, visits: int, seed: int) -> Paint:
    """Open the page, visit it in Chromium, and choose customers.

    Args:
        models: The served models.
        customers: How many are chosen, one after the other.
        visits: How many visits follow the first one.
        seed: Draws the customers.

    Raises:
        FailedError: The page does not open.
        InputError: Chromium is not installed, or the export holds no customers.
    """
    ids = served(models).customers.ids
    drawn = np.random.default_rng(seed).choice(ids, min(customers + 1, len(ids)), replace=False)
    with opened_page(models) as opened, browser() as chromium:
        painted = []
        for _ in range(1 + visits):
            page = chromium.new_page()  # each has a cache of its own
            reach(page, opened.address)
            painted.append(float(page.evaluate(_FIRST_PAINT)))
            page.close()
        page = chromium.new_page()
        reach(page, opened.address)
        _, *took = [choose(page, str(customer)) for customer in drawn]  # the first answer loads what is needed once
    return Paint(painted[0], float(np.median(painted[1:])), latencies(took))


def markdown(found: Paint) -> str:
    """Return the figures as a table in Markdown."""
    answers = found.answers
    rows = [
        ("first contentful paint, first visit, s", found.cold_seconds),
        ("first contentful paint, later visits (median), s", found.warm_seconds),
        (f"customer chosen to table shown, p50 of {answers.answers}, ms", answers.p50),
        ("p95, ms", answers.p95),
    ]
    lines = ["| in Chromium | |", "|---|---|"]
    lines += [f"| {name} | {'' if value is None else f'{value:,.2f}'} |" for name, value in rows]
    return "\n".join(lines) + "\n"

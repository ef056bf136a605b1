"""The controls beside all tabs that filter the recommendations: how many, how risky, which categories and products."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr
import numpy as np
from gradio.components import Component

from nextbest.data.dataset import Features
from nextbest.serving.formatting import format_name, format_number, sentence_case
from nextbest.serving.language import say
from nextbest.serving.recommender import Filters
from nextbest.serving.requests import check_filters
from nextbest.ui.page.config import PageConfig
from nextbest.ui.page.html import label
from nextbest.ui.page.version_data import VersionData

__all__ = ["Controls", "accepted_risk", "describe_filters", "highest_risks", "read_filters", "tolerances"]


_FEWEST = 3
"""So many products are shown at least: fewer are no choice."""
_OWN, _ANY = "own", "any"
"""The first and the last appetite for risk; see the message `appetite`."""


def highest_risks(data: VersionData, config: PageConfig) -> dict[str, float | None]:
    """Return each appetite for risk -> the highest risk of the catalogue within it; None is no limit.

    The customer's own sets none: the suitability rules hold in any case.
    """
    if not len(data.risks):
        return {}
    lowest, highest = data.risks[0], data.risks[-1]
    shares = {"cautious": config.cautious_risk, "balanced": config.balanced_risk}
    limits = {name: lowest + share * (highest - lowest) for name, share in shares.items()}
    within = {name: float(data.risks[data.risks <= limit].max()) for name, limit in limits.items()}
    return {_OWN: None, **within, _ANY: None}


def accepted_risk(data: VersionData, request: Features) -> float | None:
    """Return the highest risk of the catalogue that the rules let a customer have; None where they set no limit."""
    limits = [float(request[column][0]) for column in tolerances(data)]
    within = [data.risks[data.risks <= limit] for limit in limits if np.isfinite(limit)]
    return min((float(risks.max()) if len(risks) else float(data.risks[0]) for risks in within), default=None)


def tolerances(data: VersionData) -> list[str]:
    """Return the customer columns that a product's risk must not be above."""
    policy = data.recommender.manifest["policy"]
    if policy["risk_column"] is None:
        return []
    about_risk = [rule for rule in policy["rules"] if rule["product"] == policy["risk_column"]]
    return [rule["customer"] for rule in about_risk if rule["customer"] and rule["op"] == ">="]


def read_filters(
    data: VersionData, config: PageConfig, appetite: str | None, categories: Sequence[str], exclude: Sequence[str]
) -> Filters:
    """Return the filters that the controls say.

    Raises:
        InputError: They name what the version does not have.
    """
    max_risk = highest_risks(data, config).get(appetite or "")
    filters = Filters(max_risk=max_risk, categories=tuple(categories or ()), exclude=tuple(exclude or ()))
    check_filters(data.recommender, filters)
    return filters


def describe_filters(data: VersionData, filters: Filters) -> str:
    """Say what filters ask for: 'risk up to 2; only funds; without 1 product'; '' where they ask for nothing."""
    parts = []
    if filters.max_risk is not None:
        parts.append(say("filter-risk", risk=format_number(filters.max_risk)))
    if filters.categories:
        parts.append(say("filter-categories", names=", ".join(map(format_name, filters.categories))))
    if filters.exclude:
        names = [str(data.product_names[data.product_rows[product]]) for product in filters.exclude]
        parts.append(say("filter-exclude", names=", ".join(names)))
    return "; ".join(parts)


class Controls:
    """The components."""

    def __init__(self, data: VersionData, config: PageConfig) -> None:
        self._config = config
        with gr.Row(elem_id="controls"):
            self.top = gr.Slider(
                min(_FEWEST, config.default_products),
                config.max_products,
                value=config.default_products,
                step=1,
                label=label("label-top"),
                elem_id="top",
                min_width=130,
                scale=2,
                buttons=[],
            )
            self.appetite = gr.Dropdown(
                [],  # whoever opens the page is offered them in words
                label=label("label-appetite"),
                visible=len(data.risks) > 0,
                min_width=220,
                scale=3,
                elem_id="appetite",
            )
            self.categories = gr.Dropdown(
                self._categories(data),
                multiselect=True,
                label=label("label-categories"),
                visible=bool(data.categories),
                min_width=180,
                scale=3,
                elem_id="categories",
            )
            self.exclude = gr.Dropdown(
                self._products(data),
                multiselect=True,
                label=label("label-exclude"),
                min_width=150,
                scale=2,
                elem_id="exclude",
            )

    @property
    def inputs(self) -> list[Component]:
        """The number of products, and the controls in the order of `read_filters`'s arguments."""
        return [self.top, self.appetite, self.categories, self.exclude]

    @property
    def choices(self) -> list[Component]:
        """What `update` changes."""
        return [self.categories, self.exclude]

    def read_top(self, asked: str, otherwise: float) -> int:
        """Return the number of products that an address asks for, where that can be."""
        possible = asked.isdecimal() and self.top.minimum <= int(asked) <= self.top.maximum
        return int(asked) if possible else int(otherwise)

    def offer_appetites(
        self, data: VersionData, request: Features | None, chosen: str | None
    ) -> tuple[gr.Dropdown, str | None]:
        """Return the appetites that a customer's own leaves, and the chosen one if it is among them, or the default.

        Args:
            data: The version.
            request: The customer's; None for nobody.
            chosen: What is chosen now.
        """
        offered = _appetites(data, self._config, request)
        names = [name for _, name in offered]
        value = chosen if chosen in names else _default(data)
        return gr.Dropdown(offered, value=value, visible=bool(offered)), value

    def update(self, data: VersionData) -> dict[Component, Any]:
        """Return the controls with the choices of another version, but for the appetites."""
        return {
            self.categories: gr.Dropdown(self._categories(data), visible=bool(data.categories)),
            self.exclude: gr.Dropdown(self._products(data)),
        }

    @staticmethod
    def _categories(data: VersionData) -> list[tuple[str, str]]:
        return [(sentence_case(name), name) for name in data.categories]

    @staticmethod
    def _products(data: VersionData) -> list[tuple[str, str]]:
        ids = data.recommender.products.ids
        return [(f"{name} ({product})", str(product)) for name, product in zip(data.product_names, ids, strict=True)]


def _default(data: VersionData) -> str | None:
    """Return the appetite that is chosen at first."""
    if not len(data.risks):
        return None
    return _OWN if tolerances(data) else _ANY


def _appetites(data: VersionData, config: PageConfig, request: Features | None) -> list[tuple[str, str]]:
    """Return labels and names; what is above the accepted risk is not offered, since it would change nothing."""
    accepted = None if request is None else accepted_risk(data, request)
    highest = np.inf if accepted is None else accepted
    risks = highest_risks(data, config)
    offered = {name: risk for name, risk in risks.items() if risk is not None and risk < highest}
    labels = [(_up_to(name, risk), name) for name, risk in offered.items()]
    if risks and accepted is None:
        labels.append((say("appetite-any", name=_ANY), _ANY))
    if risks and tolerances(data):
        labels.insert(0, (say("appetite", name=_OWN) if accepted is None else _up_to(_OWN, accepted), _OWN))
    return labels


def _up_to(name: str, risk: float) -> str:
    return say("appetite-up-to", name=name, risk=format_number(risk))

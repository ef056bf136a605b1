"""The controls beside all tabs that filter the recommendations: how many, how risky, which categories and products."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr
from gradio.components import Component

from nextbest.serving.formatting import format_number, sentence_case
from nextbest.serving.recommender import Filters
from nextbest.serving.requests import check_filters
from nextbest.ui.page.config import PageConfig
from nextbest.ui.page.version_data import VersionData

__all__ = ["Controls", "highest_risks", "read_filters"]


_ANY = "Risk-tolerant"


def highest_risks(data: VersionData, config: PageConfig) -> dict[str, float | None]:
    """Return each appetite for risk -> the highest risk of the catalogue within it; None is no limit."""
    if not len(data.risks):
        return {}
    lowest, highest = data.risks[0], data.risks[-1]
    shares = {"Cautious": config.cautious_risk, "Balanced": config.balanced_risk}
    limits = {name: lowest + share * (highest - lowest) for name, share in shares.items()}
    return {name: float(data.risks[data.risks <= limit].max()) for name, limit in limits.items()} | {_ANY: None}


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


class Controls:
    """The components."""

    def __init__(self, data: VersionData, config: PageConfig) -> None:
        self._config = config
        self.top = gr.Slider(
            1,
            config.max_products,
            value=config.default_products,
            step=1,
            label="Number of products",
            elem_id="top",
            buttons=[],
        )
        self.appetite = gr.Radio(
            self._appetites(data),
            value=_ANY if len(data.risks) else None,
            label="Appetite for risk",
            info="The suitability policy holds in any case.",
            visible=len(data.risks) > 0,
            elem_id="appetite",
        )
        with gr.Accordion("Categories and exclusions", open=False, elem_id="more-filters"):
            self.categories = gr.Dropdown(
                self._categories(data),
                multiselect=True,
                label="Categories of interest",
                info="None means all.",
                visible=bool(data.categories),
                elem_id="categories",
            )
            self.exclude = gr.Dropdown(
                self._products(data), multiselect=True, label="Products to leave out", elem_id="exclude"
            )

    @property
    def inputs(self) -> list[Component]:
        """The number of products, and the controls in the order of `read_filters`'s arguments."""
        return [self.top, self.appetite, self.categories, self.exclude]

    def update(self, data: VersionData) -> dict[Component, Any]:
        """Return the controls with the choices of another version."""
        return {
            self.appetite: gr.Radio(self._appetites(data), visible=True)
            if len(data.risks)
            else gr.Radio([], value=None, visible=False),
            self.categories: gr.Dropdown(self._categories(data), visible=bool(data.categories)),
            self.exclude: gr.Dropdown(self._products(data)),
        }

    def _appetites(self, data: VersionData) -> list[tuple[str, str]]:
        risks = highest_risks(data, self._config)
        limits = {name: "any" if risk is None else f"up to {format_number(risk)}" for name, risk in risks.items()}
        return [(f"{name} ({limit})", name) for name, limit in limits.items()]

    @staticmethod
    def _categories(data: VersionData) -> list[tuple[str, str]]:
        return [(sentence_case(name), name) for name in data.categories]

    @staticmethod
    def _products(data: VersionData) -> list[tuple[str, str]]:
        ids = data.recommender.products.ids
        return [(f"{name} ({product})", str(product)) for name, product in zip(data.product_names, ids, strict=True)]

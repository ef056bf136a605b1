"""What narrows the recommendations: how many, how risky, which categories, which products not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr
from gradio.components import Component

from nextbest.serving.formatting import sentence_case, shown_number
from nextbest.serving.recommender import Filters
from nextbest.serving.requests import check_filters
from nextbest.ui.page.config import PageConfig
from nextbest.ui.page.version_data import Desk

__all__ = ["Controls", "filters_of", "highest_risks"]


_ANY = "Risk-tolerant"


def highest_risks(desk: Desk, config: PageConfig) -> dict[str, float | None]:
    """Return the appetites for risk -> the highest risk of the catalogue that is shown; None is no limit."""
    if not len(desk.risks):
        return {}
    lowest, highest = desk.risks[0], desk.risks[-1]
    shares = {"Cautious": config.cautious_risk, "Balanced": config.balanced_risk}
    limits = {name: lowest + share * (highest - lowest) for name, share in shares.items()}
    return {name: float(desk.risks[desk.risks <= limit].max()) for name, limit in limits.items()} | {_ANY: None}


def filters_of(
    desk: Desk, config: PageConfig, appetite: str | None, categories: Sequence[str], exclude: Sequence[str]
) -> Filters:
    """Return what the controls say.

    Raises:
        InputError: It names what the version does not have.
    """
    max_risk = highest_risks(desk, config).get(appetite or "")
    filters = Filters(max_risk=max_risk, categories=tuple(categories or ()), exclude=tuple(exclude or ()))
    check_filters(desk.recommender, filters)
    return filters


class Controls:
    """The controls beside all tabs."""

    def __init__(self, desk: Desk, config: PageConfig) -> None:
        self._config = config
        self.top = gr.Slider(
            1,
            config.most_products,
            value=config.default_products,
            step=1,
            label="Number of products",
            elem_id="top",
            buttons=[],
        )
        self.appetite = gr.Radio(
            self._appetites(desk),
            value=_ANY,
            label="Appetite for risk",
            info="The suitability policy holds in any case.",
            visible=len(desk.risks) > 0,
            elem_id="appetite",
        )
        with gr.Accordion("Categories and exclusions", open=False, elem_id="narrow"):
            self.categories = gr.Dropdown(
                self._categories(desk),
                multiselect=True,
                label="Categories of interest",
                info="None means all.",
                visible=bool(desk.categories),
                elem_id="categories",
            )
            self.exclude = gr.Dropdown(
                self._products(desk), multiselect=True, label="Products to leave out", elem_id="exclude"
            )

    @property
    def inputs(self) -> list[Component]:
        """The controls, in the order of `filters_of` behind the number of products."""
        return [self.top, self.appetite, self.categories, self.exclude]

    def renewed(self, desk: Desk) -> dict[Component, Any]:
        """Return the controls as another version has them."""
        return {
            self.appetite: gr.Radio(self._appetites(desk), visible=len(desk.risks) > 0),
            self.categories: gr.Dropdown(self._categories(desk), visible=bool(desk.categories)),
            self.exclude: gr.Dropdown(self._products(desk)),
        }

    def _appetites(self, desk: Desk) -> list[tuple[str, str]]:
        risks = highest_risks(desk, self._config)
        limits = {name: "any" if risk is None else f"up to {shown_number(risk)}" for name, risk in risks.items()}
        return [(f"{name} ({limit})", name) for name, limit in limits.items()]

    @staticmethod
    def _categories(desk: Desk) -> list[tuple[str, str]]:
        return [(sentence_case(name), name) for name in desk.categories]

    @staticmethod
    def _products(desk: Desk) -> list[tuple[str, str]]:
        ids = desk.recommender.products.ids
        return [(f"{name} ({product})", str(product)) for name, product in zip(desk.product_names, ids, strict=True)]

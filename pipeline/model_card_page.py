"""The model card as a page with pictures, for who reads no Markdown: one file that asks no other server."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from nextbest.evaluation.report import calibration_figure, effects_figure, embedded, forest_figure, html_page
from nextbest.evaluation.results import Difference, Evaluation
from nextbest.pipeline.markdown import to_html
from nextbest.pipeline.model_card import CALIBRATION, HOW_GOOD, SENSITIVITY

__all__ = ["CARD_PAGE", "model_card_page"]

CARD_PAGE = "model_card.html"
"""Its file, in RUN/evaluation."""


def model_card_page(card: str, evaluation: Evaluation, sensitivity: Mapping[str, Difference]) -> str:
    """Return the card as HTML.

    Args:
        card: The card, Markdown.
        evaluation: What was measured.
        sensitivity: What the order owes to each thing that it reads.
    """
    figures = {HOW_GOOD: embedded(forest_figure(evaluation), "models")}
    if sensitivity:
        axis = f"change in {evaluation.main_metric} when it is dealt out anew"
        figures[SENSITIVITY] = embedded(effects_figure(sensitivity, axis), "sensitivity")
    if evaluation.calibration is not None:
        figures[CALIBRATION] = embedded(calibration_figure(evaluation.calibration), "calibration")
    title, _, text = card.partition("\n")
    return html_page(escape(title.removeprefix("# ")), to_html(text, figures))

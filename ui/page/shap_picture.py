"""The picture that the package shap draws of reasons, as an image within the page."""

from __future__ import annotations

import base64
import io
import threading

from markupsafe import Markup

from nextbest.data.errors import explain_missing_packages
from nextbest.serving.insights.coalitions import import_shap
from nextbest.serving.insights.reasons import ProductReasons

__all__ = ["shap_waterfall"]

_DRAWING = threading.Lock()
"""Matplotlib's current figure, on which shap draws, is one for all threads."""


def shap_waterfall(reasons: ProductReasons) -> Markup:
    """Return `shap.plots.waterfall` of the reasons, in percentage points.

    Raises:
        MissingPackageError: shap or matplotlib is not installed.
    """
    with explain_missing_packages():
        import matplotlib

        matplotlib.use("Agg")
        import matplotlib.pyplot as plt
    shap, drawn = import_shap(), io.BytesIO()
    with _DRAWING:
        figure = plt.figure()
        try:
            shap.plots.waterfall(reasons.explanation, max_display=len(reasons.groups), show=False)
            figure.savefig(drawn, format="png", dpi=110, bbox_inches="tight")
        finally:
            plt.close(figure)
    largest = ", ".join(f"{group.name} {group.points:+.1f}" for group in reasons.largest_first[:3])
    picture = '<img class="picture" src="data:image/png;base64,{}" alt="Waterfall in percentage points: {}">'
    return Markup(picture).format(base64.b64encode(drawn.getvalue()).decode(), largest)

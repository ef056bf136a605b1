"""What the features add: bars and points are where the arithmetic says."""

from __future__ import annotations

import numpy as np

from nextbest.serving.insights.explanations import Contribution, Explanation, FeatureImportance, Importance
from nextbest.ui.page.feature_charts import beeswarm, waterfall

EXPLANATION = Explanation(
    "ranking",
    "P1",
    base=-2.0,
    score=-0.5,
    contributions=(
        Contribution("savings", "customer", "8,000 EUR", 2.0),
        Contribution("popularity", "product", "<b>", -0.4),
        Contribution("gap", "cross", "1", -0.1),
    ),
    sentence="Higher savings raise this.",
)


def test_bars_lead_from_the_typical_score_to_this_one() -> None:
    shown = waterfall(EXPLANATION, "1. Name", 2)
    # From -2 up by 2 to 0, down by 0.4 to -0.4 and by 0.1 to -0.5; the drawing is wider by 4% of 2 on either side.
    assert "left:3.70%;width:92.59%" in shown and 'class="more"' in shown
    assert "left:77.78%;width:18.52%" in shown and 'class="less"' in shown
    for text in (
        "A typical score: 11.9%",
        "This score: 37.8%",
        "+2.00",
        "\N{MINUS SIGN}0.40",
        "1 other features",
        "&lt;b&gt;",
    ):
        assert text in shown
    assert shown.count('class="kind"') == 2


def test_a_similarity_is_not_a_probability() -> None:
    shown = waterfall(Explanation("retrieval", "P1", 0.1, 0.4, (), "so"), "Name", 3)
    assert "This score" in shown and "This score:" not in shown and "cosine" in shown


def test_a_swarm_has_all_points_within_its_edges() -> None:
    values = np.array([0, 0.5, 1, np.nan], np.float32)
    feature = FeatureImportance("age", "customer", 0.5, values, np.array([-9, 0, 1, 1], np.float32))
    shown = beeswarm(Importance("ranking", (feature,)), 5)
    assert shown.count("h0") == 4 and 'class="level-none"' in shown and 'class="level-4"' in shown
    assert "M4.0 9.0h0" in shown and "M50.0 9.0h0" in shown


def test_without_a_sample_there_are_no_points() -> None:
    none = np.zeros(0, np.float32)
    shown = beeswarm(Importance("ranking", (FeatureImportance("age", "customer", 0.5, none, none),)), 5)
    assert "Age" in shown and "h0" not in shown

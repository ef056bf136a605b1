"""The names of features: each that a config can ask for has its own."""

from __future__ import annotations

from typing import get_args

from nextbest.data.feature_names import NamedFeature
from nextbest.data.statistics import PairStatistic
from nextbest.serving.insights.sentences import feature_name


def test_every_item_item_statistic_has_a_name() -> None:
    pairs = get_args(PairStatistic)
    names = {feature_name(NamedFeature(kind="cross", name=pair, places=(0,))) for pair in pairs}
    assert len(names) == len(pairs)

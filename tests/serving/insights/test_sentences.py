"""The names of features: each that a model can have has its own."""

from __future__ import annotations

from typing import get_args

from nextbest.data.feature_names import FeatureName, NamedFeature
from nextbest.data.statistics import PairStatistic
from nextbest.serving.insights.sentences import feature_name


def test_every_feature_has_a_name_of_its_own() -> None:
    names = set(get_args(FeatureName)) - {"column"}  # a column is called as the tables call it
    assert set(get_args(PairStatistic)) <= names
    columns = ("left", "right")
    called = {feature_name(NamedFeature(kind="cross", name=name, columns=columns, places=(0,))) for name in names}
    assert len(called) == len(names)

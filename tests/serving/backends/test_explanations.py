"""A server's answers are explained as those of this process are."""

from __future__ import annotations

from contextlib import closing

import numpy as np
import pytest

from nextbest.serving.config import ExplanationConfig
from nextbest.serving.insights.explanation_data import STAGES, Stage
from nextbest.serving.insights.explanations import Explainer
from nextbest.serving.insights.reasons import ReasonExplainer
from nextbest.serving.recommender import Recommender
from nextbest.serving.requests import take
from tests.commands import run_nextbest
from tests.serving.backends.conftest import TRANSPORTS, url_of
from tests.tf_serving_emulator import Emulator
from tests.trained import Trained

pytestmark = pytest.mark.usefixtures("load_once")


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("stage", STAGES)
def test_a_server_is_explained_alike(
    trained: Trained, recommender: Recommender, emulator: Emulator, transport: str, stage: Stage
) -> None:
    request = take(recommender.customers().columns, np.array([11]))
    few = ExplanationConfig(permutations=1)
    expected = Explainer(recommender, few).explain(request, "P0004", stage)
    with closing(Recommender.load(trained.models, url_of(emulator, transport))) as remote:
        found = Explainer(remote, few).explain(request, "P0004", stage)
    assert found.sentence == expected.sentence
    assert found.score == pytest.approx(expected.score, abs=1e-5)
    amounts = {(one.name, one.kind): (one.value, one.contribution) for one in found.contributions}
    for one in expected.contributions:
        value, contribution = amounts[one.name, one.kind]
        assert value == one.value
        assert contribution == pytest.approx(one.contribution, abs=1e-4)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_server_gives_the_same_reasons(
    trained: Trained, recommender: Recommender, emulator: Emulator, transport: str
) -> None:
    request, products = take(recommender.customers().columns, np.array([11])), np.array(["P0004", "P0007"], object)
    expected = ReasonExplainer(recommender, background=1).reasons(request, products)
    with closing(Recommender.load(trained.models, url_of(emulator, transport))) as remote:
        found = ReasonExplainer(remote, background=1).reasons(request, products)
    assert [one.sentences for one in found] == [one.sentences for one in expected]
    for one, other in zip(found, expected, strict=True):
        assert [group.points for group in one.groups] == pytest.approx(
            [group.points for group in other.groups], abs=1e-3
        )


def test_the_command_line_asks_a_server_why(trained: Trained, emulator: Emulator) -> None:
    asked = ("recommend", "--models", trained.models, "--customer", "C000017", "--why", "--top", "2")
    here, there = run_nextbest(*asked), run_nextbest(*asked, "--backend", url_of(emulator, "grpc"))
    assert (there.code, there.out) == (0, here.out)
    assert "average customer" in here.out

"""Reasons of the small bank: they add up to what is served, and 500 sentences are read by rules."""

from __future__ import annotations

import re

import numpy as np
import pytest

from nextbest.data.dataset import Features
from nextbest.serving.insights.reasons import ProductReasons, ReasonExplainer
from nextbest.serving.recommender import Recommender, product_names
from nextbest.serving.requests import take

CUSTOMERS, TOP = 110, 5

INSTEAD = re.compile(
    r"(Popular with many customers, (though|and) )?((l|L)ess|(a|A)bout as) likely for this customer (than|as) for the"
    r" average customer\.|Likelier for this customer than for the average customer, and no single reason stands out\."
)
TECHNICAL = re.compile(
    r"similarit|ease\b|vote|log.?odds|embedding|cosine|feature|score_|none|nan\b|inf\b|_|\bx\d", re.IGNORECASE
)
PROTECTED = re.compile(r"gender|female|\bmale|marital|married|single|divorce|marriage", re.IGNORECASE)
NUMBER = r"(one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|\d+)"


@pytest.fixture(scope="module")
def found(recommender: Recommender) -> list[tuple[Features, float, ProductReasons]]:
    """Return requests with a served probability and its reasons, with few to compare with: the words are the same."""
    explainer = ReasonExplainer(recommender, background=3)
    customers = recommender.customers()
    rows = np.random.default_rng(4).choice(len(customers.ids), CUSTOMERS, replace=False)
    every = []
    for row in rows:
        request = take(customers.columns, slice(row, row + 1))
        served = recommender.recommend(request, TOP)
        ids = served.product_id[0, : served.count[0]]
        every += [
            (request, float(probability), one)
            for probability, one in zip(served.probability[0], explainer.reasons(request, ids), strict=False)
        ]
    return every


def test_they_add_up_to_what_is_served(found: list[tuple[Features, float, ProductReasons]]) -> None:
    assert len(found) >= 500
    for _, served, one in found:
        total = 100 * one.base + sum(group.points for group in one.groups)
        assert total == pytest.approx(100 * served, abs=1e-3)
        assert len(one.groups) <= 10


def test_five_hundred_sentences_by_rules(
    recommender: Recommender, found: list[tuple[Features, float, ProductReasons]]
) -> None:
    names = "|".join(map(re.escape, product_names(recommender)))
    for request, _, one in found:
        assert 1 <= len(one.sentences) <= 3
        for sentence in (one.sentence, *one.sentences):
            assert re.match("[A-Z]", sentence) and sentence.endswith(".") and not sentence.endswith(".."), sentence
            assert "  " not in sentence and " ," not in sentence and " ." not in sentence, sentence
            without_names = re.sub(names, "", sentence)
            assert not TECHNICAL.search(without_names), sentence
            assert not PROTECTED.search(without_names), sentence
            for count, noun in re.findall(
                rf"(?:[Hh]olds|,|and) {NUMBER} ((?:(?!and )[a-z]+ )*?[a-z]+)(?= and |[;.,])", sentence
            ):
                assert (count == "one") == (not noun.endswith("s")), sentence
        if one.probability <= one.base:
            assert INSTEAD.fullmatch(one.sentence), one.sentence
        elif not INSTEAD.fullmatch(one.sentence):
            assert ("average customer" in one.sentence and "more often" in one.sentence) or "as often" in one.sentence
            assert all(re.match("(Has|Holds|Is|Belongs) ", sentence) for sentence in one.sentences), one.sentences
            said = [sentence for sentence in one.sentences if sentence.startswith("Is ") and "years old" in sentence]
            assert all(f"Is {int(request['age'][0])} year" in sentence for sentence in said)
            effects = {group.kind: group.points for group in one.groups}
            if any(sentence.startswith("Holds") for sentence in one.sentences):
                assert effects["held"] > 0
            if said:
                assert effects["age"] > 0

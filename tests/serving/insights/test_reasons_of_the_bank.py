"""Reasons of the small bank: they add up to what is served, and 500 sentences are read by rules."""

from __future__ import annotations

import re
from itertools import groupby

import numpy as np
import pytest

from nextbest.data.dataset import Features
from nextbest.serving.insights.reasons import ProductReasons, ReasonExplainer
from nextbest.serving.language import speak
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

GERMAN_OTHERS = "als die meisten (im Segment|Kunden)"
GERMAN_COUNT = "(zwei|drei|vier|fünf|sechs|sieben|acht|neun|zehn|elf|zwölf|[0-9]+)"
GERMAN_PRODUCT = f"(ein Produkt|{GERMAN_COUNT} Produkte) der Art „[^“]+“"
GERMAN_KINDS = "Produkte der Art „[^“]+“"
GERMAN = re.compile(
    "("
    f"[Hh]at ({GERMAN_PRODUCT}( und {GERMAN_PRODUCT})?|ein Produkt|{GERMAN_COUNT} Produkte|noch kein Produkt)"
    f"|[Hh]at sich zuletzt für ({GERMAN_KINDS}( und {GERMAN_KINDS})?|genau dieses Produkt|nichts) interessiert"
    "|[Hh]at bei „[^“]+“ (den Wert -?[0-9]+([.,][0-9]+)*(\\s(?!und )[^ ,;“]+)*|die Anzahl [0-9.]+)"
    f"|[Hh]at zuletzt (({GERMAN_KINDS}( und {GERMAN_KINDS})?|genau dieses Produkt) beendet|kein Angebot abgelehnt)"
    f"|[Ll]iegt bei „[^“]+“ (höher|niedriger) {GERMAN_OTHERS}|[Ii]st (1 Jahr|[0-9]+ Jahre) alt"
    "|[Ii]st (unter „[^“]+“ |nicht )?mit „[^“]+“ vermerkt|[Gg]ehört zum Segment „[^“]+“"
    f"|[Ii]st seit (weniger als )?(eine[mr] (Jahr|Monat)|{GERMAN_COUNT} (Jahren|Monaten)|[0-9]{{4}}) bei der Bank"
    f")(, (älter|jünger|mehr|weniger|länger|kürzer) {GERMAN_OTHERS})?"
)
GERMAN_ENDING = re.compile(
    "; Kunden in ähnlicher Lage wählen es (etwas öfter als|öfter als|etwa (doppelt|[a-zäöüß]+mal) so oft wie|"
    "mehr als zehnmal so oft wie) der Durchschnitt\\."
)
GERMAN_INSTEAD = re.compile(
    "(Bei vielen Kunden beliebt, (und hier etwa so|hier aber weniger)|Hier (etwa so|weniger)) wahrscheinlich"
    " (als|wie) im Durchschnitt( aller Kunden)?\\.|"
    "Hier wahrscheinlicher als im Durchschnitt aller Kunden, ohne dass ein einzelner Grund hervorsticht\\."
)


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


def test_five_hundred_german_sentences_by_rules(
    recommender: Recommender, found: list[tuple[Features, float, ProductReasons]]
) -> None:
    explainer, count = ReasonExplainer(recommender, background=3), 0
    with speak("de"):
        for _, group in groupby(found, key=lambda one: id(one[0])):
            of_customer = list(group)
            request, english = of_customer[0][0], [one for _, _, one in of_customer]
            ids = np.array([one.product_id for one in english], object)
            for one, german in zip(english, explainer.reasons(request, ids), strict=True):
                assert (german.probability, len(german.sentences)) == (one.probability, len(one.sentences))
                count += len(german.sentences)
                if INSTEAD.fullmatch(one.sentence):
                    assert GERMAN_INSTEAD.fullmatch(german.sentence), german.sentence
                    continue
                for sentence in german.sentences:
                    assert sentence[0].isupper() and sentence.endswith(".") and GERMAN.fullmatch(sentence[:-1]), (
                        sentence
                    )
                ending = GERMAN_ENDING.search(german.sentence)
                assert ending is not None, german.sentence
                rest = german.sentence[: ending.start()]
                while rest:  # a reason, and what joins it with the next one
                    reason = GERMAN.match(rest)
                    assert reason is not None, german.sentence
                    rest = rest[reason.end() :]
                    joined = re.match(", | und ", rest)
                    assert joined or not rest, german.sentence
                    rest = rest[joined.end() :] if joined else rest
                assert not PROTECTED.search(german.sentence), german.sentence
    assert count >= 500

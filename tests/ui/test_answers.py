"""What people read on the terminal."""

from __future__ import annotations

import pytest

from nextbest.ui.answers import print_recommendations


def test_people_read_units_and_sensible_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    columns = {"min_income": {"role": "number", "unit": "EUR"}, "tier": {"role": "category", "unit": ""}}
    product = {
        "rank": 1,
        "product_id": "P1",
        "name": "Saver",
        "probability": 0.0304,
        "similarity": -0.456,
        "retrieval_rank": 2,
    }
    answers = [
        {
            "customer_id": "C1",
            "holdings_known": True,
            "products": [product | {"product": {"min_income": 42137.4, "tier": "basic"}}],
        },
        {
            "customer_id": "C2",
            "holdings_known": False,
            "products": [product | {"probability": None, "product": {"min_income": None, "tier": None}}],
        },
    ]
    print_recommendations(answers, columns)
    first, second = (line.replace("│", " ").split() for line in capsys.readouterr().out.splitlines() if "P1" in line)
    assert first == ["1", "P1", "Saver", "3.0%", "-0.46", "2", "42,137", "EUR", "basic"]
    assert second[3:] == ["-", "-0.46", "2", "-", "-"]

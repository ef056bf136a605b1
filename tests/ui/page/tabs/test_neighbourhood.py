"""The tab of the neighbourhood."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from nextbest.serving.formatting import format_similarity
from nextbest.serving.recommender import Filters
from nextbest.ui.page.tabs.neighbourhood import legend, map_figure, map_table, neighbours_view
from nextbest.ui.page.version_data import (
    SelectedCustomer,
    VersionData,
    recommend_products,
)


def test_the_map_has_every_product_once_and_the_customer(data: VersionData, customer: SelectedCustomer) -> None:
    request = data.request(customer)
    top = [one.product_id for one in recommend_products(data, customer, 5, Filters())]
    view = data.neighbourhood.view(request, top, customer.id)
    figure = map_figure(view)
    assert sum(len(trace.x) for trace in figure.data) == 40 + 1 + view.num_neighbours
    (similar,) = (trace for trace in figure.data if trace.name == "Similar customers")
    # Nothing of them is told but where they are, rounded.
    assert len(similar.x) == 50 and similar.hoverinfo == "skip" and similar.customdata is similar.text is None
    assert np.round(similar.x, 2) == pytest.approx(similar.x, abs=1e-6)
    numbers = sorted(text for trace in figure.data for text in trace.text or ())
    assert numbers == [str(place) for place in range(1, len(top) + 1)]
    shown = neighbours_view(view)
    assert f"{view.num_neighbours} most similar customers" in shown
    assert not any(customer in shown for customer in data.customers.ids)
    assert f"{view.variance_shown:.0%}" in shown and "projection" in shown


def test_the_map_is_there_as_a_table(data: VersionData, customer: SelectedCustomer) -> None:
    request = data.request(customer)
    found = recommend_products(data, customer, 3, Filters())
    view = data.neighbourhood.view(request, [one.product_id for one in found], customer.id)
    rows = re.findall(r"<tr>(.*?)</tr>", map_table(view))[1:]
    assert len(rows) == 20
    for place, one in enumerate(found):
        assert one.name in rows[place] and f"number {place + 1}" in rows[place]
        assert format_similarity(one.similarity) in rows[place]
    others = [float(re.findall(r"<span>(-?[\d.]+)</span>", row)[-1]) for row in rows[3:]]
    assert others == sorted(others, reverse=True)


def test_of_too_few_customers_nothing_is_told(data: VersionData, customer: SelectedCustomer) -> None:
    request = data.request(customer)
    view = data.neighbourhood.view(request, [], customer.id)
    few = replace(view, num_neighbours=0, neighbours_xy=view.neighbours_xy[:0], held_by_neighbours=())
    assert "Too few are known" in neighbours_view(few)
    assert "most similar" not in legend(few)

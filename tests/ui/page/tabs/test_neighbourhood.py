"""The tab of the neighbourhood."""

from __future__ import annotations

from nextbest.serving.recommender import Filters
from nextbest.ui.page.tabs.neighbourhood import map_figure, neighbours_view
from nextbest.ui.page.version_data import (
    SelectedCustomer,
    VersionData,
    recommend_products,
)


def test_the_map_has_every_product_once_and_the_customer(data: VersionData, customer: SelectedCustomer) -> None:
    request = data.request(customer)
    top = [one.product_id for one in recommend_products(data, request, 5, Filters())]
    view = data.neighbourhood.view(request, top, customer.id)
    figure = map_figure(view)
    assert sum(len(trace.x) for trace in figure.data) == 40 + 1
    numbers = sorted(text for trace in figure.data for text in trace.text or ())
    assert numbers == [str(place) for place in range(1, len(top) + 1)]
    shown = neighbours_view(view)
    assert f"{view.num_neighbours} most similar customers" in shown
    assert not any(customer in shown for customer in data.customers.ids)

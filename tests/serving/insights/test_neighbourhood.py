"""The map and the nearest customers, in worlds where both are known by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nextbest.data.dataset import ACQUIRE, SIGNAL
from nextbest.serving.artifacts.assets import CustomerEvents
from nextbest.serving.config import NeighbourhoodConfig
from nextbest.serving.insights.neighbourhood import OPENED_DAYS, Neighbourhood, ProductOfNeighbours
from nextbest.serving.recommender import Recommender
from nextbest.serving.requests import take
from tests.serving.handmade import World, described, numbers, strings

# Four products on a cross: the first axis has variance 2, the second 0.5, the third none.
CROSS = World(
    {"x": described("number"), "y": described("number"), "z": described("number")},
    {"name": strings("East", "West", "North", "South"), "category": strings("a", "a", "b", "")},
    {"name": described("id"), "category": described("category")},
    {"e": (0, 1, 0), "n": (0.5, 0, 1), "s": (-0.5, 0, 1), "w": (0, -1, 0)},
)
FEW = NeighbourhoodConfig(neighbours=2, min_neighbours=2, min_holders=1)


def located(x: float, y: float, z: float, **held: Any) -> dict[str, Any]:
    return {"x": numbers(x), "y": numbers(y), "z": numbers(z)} | held


@pytest.fixture
def town(tmp_path: Path) -> Recommender:
    """Two customers look east, two look west."""
    held = [["e", "n", "e"], ["n", "s", ""], ["w", "", ""], ["w", "s", "gone"]]
    return CROSS.load(
        tmp_path,
        ("1", "2", "3", "4"),
        x=numbers(0, 0.1, 0, 0.1),
        y=numbers(1, 1, -1, -1),
        z=numbers(0, 0, 0, 0),
        held_products=np.array(held, object),
    )


def told(products: Sequence[ProductOfNeighbours]) -> list[tuple[str, float, float]]:
    return [(product.product_id, product.share, product.lift) for product in products]


def test_similarity_is_the_cosine(town: Recommender) -> None:
    found = Neighbourhood(town, FEW).view(located(0, 3, 4), ["n", "e"])
    # e = (0, 1, 0), n = (0.5, 0, 1) / sqrt(1.25), and so on; the customer is (0, 0.6, 0.8).
    assert found.similarity == pytest.approx([0.6, 0.8 / 1.25**0.5, 0.8 / 1.25**0.5, -0.6])
    assert found.rank.tolist() == [2, 1, 0, 0]
    assert found.product_ids.tolist() == ["e", "n", "s", "w"]
    assert found.names.tolist() == ["East", "West", "North", "South"]
    assert found.categories.tolist() == ["a", "a", "b", ""]


def test_the_map_shows_the_two_widest_directions(town: Recommender) -> None:
    found = Neighbourhood(town, FEW).view(located(0, 1, 0), [])
    # Centred: e and w differ by 2 in y, n and s by 2 * 0.5 / sqrt(1.25) in x, both pairs by 1 / sqrt(1.25) in z.
    y, x, z = 2.0, 4 * 0.4472136**2 / 2, 4 * 0.4472136**2
    assert found.xy[3] - found.xy[0] == pytest.approx([-2, 0], abs=1e-6)
    assert found.variance_shown == pytest.approx((y + z) / (x + y + z))
    assert list(found.customer_xy) == pytest.approx(found.xy[0].tolist())  # the customer is where the product is


def test_the_map_is_the_same_for_all_customers_and_at_each_start(town: Recommender) -> None:
    first, second = Neighbourhood(town, FEW), Neighbourhood(town, FEW)
    here, there = located(0, 1, 0), located(1, 0, 0)
    assert first.view(here, []).xy.tolist() == first.view(there, []).xy.tolist() == second.view(here, []).xy.tolist()


def test_agreement_is_1_where_the_map_leaves_nothing_out(tmp_path: Path) -> None:
    angles = {"a": 0.0, "b": 0.5, "c": 1.5, "d": 3.0}
    circle = World(
        {"x": described("number"), "y": described("number")},
        {},
        {},
        {name: (np.cos(angle), np.sin(angle)) for name, angle in angles.items()},
    )
    found = Neighbourhood(circle.load(tmp_path)).view({"x": numbers(1), "y": numbers(0.1)}, [])
    assert [found.variance_shown, found.agreement] == pytest.approx([1, 1])
    assert np.linalg.norm(found.xy[0] - found.xy[2]) == pytest.approx((2 - 2 * np.cos(1.5)) ** 0.5, rel=1e-5)


def test_the_nearest_customers_holdings_have_their_lift(town: Recommender) -> None:
    found = Neighbourhood(town, FEW).view(located(0, 1, 0), [])
    # 1 and 2 look east. e is held by one of them and by a quarter of all, s by one and by half of all. n is held by
    # both, and that the last one holds it too is not told: half, as of all.
    assert found.num_neighbours == 2
    assert told(found.held_by_neighbours) == [("e", 0.5, 2), ("n", 0.5, 1), ("s", 0.5, 1)]


def test_what_the_customer_holds_is_left_out(town: Recommender) -> None:
    held = np.array([["n", "unknown", ""]], object)
    found = Neighbourhood(town, FEW).view(located(0, 1, 0, held_products=held), [])
    assert told(found.held_by_neighbours) == [("e", 0.5, 2), ("s", 0.5, 1)]


def test_no_customer_is_their_own_neighbour(town: Recommender) -> None:
    found = Neighbourhood(town, FEW).view(located(0, 1, 0), [], customer_id="1")
    # The second nearest is now one who looks west, (0.1, -1), for 2.
    assert [product for product, _, _ in told(found.held_by_neighbours)] == ["n", "s", "w"]


@pytest.fixture
def street(tmp_path: Path) -> Recommender:
    """Return 30 customers who look east: 4 hold e, 8 n, 29 s; 12 opened w lately, 9 of them twice, 6 n long ago."""
    num = 30
    held = np.full((num, 3), "", object)
    held[:4, 0], held[:8, 1], held[:29, 2] = "e", "n", "s"
    position = {product: place for place, product in enumerate(CROSS.embeddings)}
    events = [(c, "w", 19_900) for c in range(12)] + [(c, "w", 19_950) for c in range(9)]
    events += [(c, "n", 20_000 - OPENED_DAYS) for c in range(6)]
    events.sort()
    customer, product, day = zip(*((c, position[p], d) for c, p, d in events), strict=True)
    first = np.searchsorted(customer, np.arange(num + 1))
    kinds = np.full(len(events), ACQUIRE, np.int8)
    kinds[-1] = SIGNAL  # the 12th customer's only look at w opened nothing
    known = CustomerEvents(first, np.array(product, np.int32), np.array(day, np.int32), kinds)
    zeros = numbers(*[0] * num)
    ids = [f"{place:02}" for place in range(num)]
    return CROSS.load(tmp_path, ids, known, x=zeros, y=zeros + 1, z=zeros, held_products=held)


def test_of_small_numbers_nothing_is_told_and_the_others_are_rounded(street: Recommender) -> None:
    found = Neighbourhood(street).view(located(0, 1, 0), [])
    assert found.num_neighbours == 30
    # 4 who hold e are fewer than 5; 8 who hold n are told as 10 of 30; of the 29 who hold s as many are told that the
    # last 5 remain unknown: 25 of 30.
    assert told(found.held_by_neighbours) == [
        ("s", pytest.approx(25 / 30), pytest.approx(25 / 29)),
        ("n", pytest.approx(10 / 30), pytest.approx(10 / 8)),
    ]


@pytest.mark.parametrize("left_out", ["00", "29"])
def test_what_nearly_all_hold_does_not_tell_who_does_not(street: Recommender, left_out: str) -> None:
    """Of the other 29 there are 28 who hold s without the first customer, who holds it, and 29 without the last."""
    found = Neighbourhood(street).view(located(0, 1, 0), [], customer_id=left_out)
    assert told(found.held_by_neighbours)[0][:2] == ("s", pytest.approx(24 / 29))


def test_what_the_nearest_customers_opened_lately(street: Recommender) -> None:
    found = Neighbourhood(street).view(located(0, 1, 0), [])
    # 11 opened w within a year, told as 10 of 30; twice counts once. What was opened a year ago is not lately.
    assert told(found.opened_by_neighbours) == [("w", pytest.approx(10 / 30), pytest.approx(10 / 11))]
    held = np.array([["w"]], object)
    assert not Neighbourhood(street).view(located(0, 1, 0, held_products=held), []).opened_by_neighbours


def test_opened_products_are_of_the_drawn_customers(street: Recommender) -> None:
    config = NeighbourhoodConfig(sample=25, min_holders=1)
    neighbourhood = Neighbourhood(street, config)
    (only,) = neighbourhood.view(located(0, 1, 0), []).opened_by_neighbours
    drawn = [int(customer) for customer in neighbourhood._sampled_customers.ids]
    opened = sum(customer < 11 for customer in drawn)
    assert len(drawn) == 25 and 0 < opened < 11
    assert (only.share, only.lift) == (pytest.approx(opened / 25), pytest.approx(1))


def test_the_nearest_customers_are_dots_in_no_telling_order(town: Recommender) -> None:
    neighbourhood = Neighbourhood(town, NeighbourhoodConfig(neighbours=3, min_neighbours=2))
    found = neighbourhood.view(located(0, 1, 0), [])
    # 1 is (0, 1, 0) and 2 is (0.1, 1, 0) normalised, in the order of y, which is that of the nearest backwards.
    assert found.neighbours_xy.shape == (3, 2)
    assert found.neighbours_xy == pytest.approx(np.round(found.neighbours_xy, 2), abs=1e-6)
    order = found.neighbours_xy[:, 1].tolist()
    assert order == sorted(order)


@pytest.mark.parametrize("least", [4, 5])
def test_nothing_is_said_of_few_customers(town: Recommender, least: int) -> None:
    config = NeighbourhoodConfig(neighbours=2, min_neighbours=least, min_holders=1)
    found = Neighbourhood(town, config).view(located(0, 1, 0), [], customer_id="1")
    assert (found.num_neighbours, found.held_by_neighbours, found.neighbours_xy.tolist()) == (0, (), [])


def test_without_a_snapshot_there_is_a_map_and_no_neighbour(tmp_path: Path) -> None:
    found = Neighbourhood(CROSS.load(tmp_path), FEW).view(located(0, 1, 0), ["e"])
    assert (found.num_neighbours, found.held_by_neighbours, len(found.xy)) == (0, (), 4)


def test_embeddings_are_computed_once_in_batches(town: Recommender) -> None:
    neighbourhood = Neighbourhood(town, NeighbourhoodConfig(min_neighbours=2, batch=3))
    calls = town._backend.asked  # type: ignore[attr-defined]
    assert calls == []
    neighbourhood.view(located(0, 1, 0), [])
    assert sorted(calls) == [("embed_customer", n) for n in (1, 1, 3)] + [("embed_product", n) for n in (1, 3)]
    neighbourhood.view(located(0, 1, 0), [])
    assert len(calls) == 6


def test_large_worlds_are_sampled_with_the_top_products_among_them(town: Recommender) -> None:
    config = NeighbourhoodConfig(neighbours=9, min_neighbours=2, max_products=1, sample=3)
    neighbourhood = Neighbourhood(town, config)
    (drawn,) = neighbourhood.view(located(0, 1, 0), []).product_ids
    for top in CROSS.embeddings:
        found = neighbourhood.view(located(0, 1, 0), [top])
        assert set(found.product_ids) == {drawn, top} and found.num_neighbours == 3


def test_wrong_arguments_are_refused(town: Recommender) -> None:
    neighbourhood = Neighbourhood(town, FEW)
    with pytest.raises(ValueError, match=r"does not know all of the products \['e', 'x'\]"):
        neighbourhood.view(located(0, 1, 0), ["e", "x"])
    with pytest.raises(ValueError, match="of 2"):
        neighbourhood.view({"x": numbers(0, 1), "y": numbers(1, 1), "z": numbers(0, 0)}, [])


def test_a_customer_of_the_bank_has_neighbours(recommender: Recommender) -> None:
    request = take(recommender.customers().columns, np.array([0]))
    found = recommender.recommend(request, 5)
    top = found.product_id[0, : found.count[0]].tolist()
    view = Neighbourhood(recommender).view(request, top, str(recommender.customers().ids[0]))
    places = {product: place for place, product in enumerate(top, start=1)}
    assert view.rank.tolist() == [places.get(product, 0) for product in view.product_ids]
    for product, similarity in zip(top, found.similarity[0], strict=False):
        assert view.similarity[view.product_ids == product] == pytest.approx(similarity, abs=1e-5)
    assert not {product.product_id for product in view.held_by_neighbours} & set(request["held_products"][0])
    shares = [product.share for product in view.held_by_neighbours]
    assert view.num_neighbours == 50 and shares == sorted(shares, reverse=True)
    for product in (*view.held_by_neighbours, *view.opened_by_neighbours):
        assert 0.1 <= product.share <= 0.9 and (10 * product.share) == pytest.approx(round(10 * product.share))
    assert 0 < view.variance_shown <= 1

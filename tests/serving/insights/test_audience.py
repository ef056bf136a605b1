"""Whom a product suits: a world whose rules and probabilities are known by hand, and the small bank by brute force."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from nextbest.data.dataset import Array, Features
from nextbest.data.errors import FailedError, InputError
from nextbest.data.rules import HELD_REASON
from nextbest.serving.backends import InputSpec
from nextbest.serving.insights.audience import Audiences
from nextbest.serving.recommender import Recommender
from tests.serving.handmade import NUMBER, WORD, Backend, World, described, numbers, strings

SHOP = World({"x": described("number")}, {"name": strings("A", "B")}, {"name": described("id")}, {"a": [1], "b": [2]})


class Shop(Backend):
    """A product suits those with x from its embedding on; the probability is x / 10 for a, and 1 - x / 10 for b."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.batches: list[tuple[str, int]] = []

    def inputs(self, signature: str) -> dict[str, InputSpec]:
        filters = {"max_risk": InputSpec(NUMBER, 1), "categories": InputSpec(WORD, 2), "exclude": InputSpec(WORD, 2)}
        more = {"exclusions": filters, "score_products": {"candidates": InputSpec(WORD, 2)}}
        return super().inputs(signature) | more[signature]

    def predict(self, signature: str, inputs: Mapping[str, Array]) -> Features:
        x = inputs["x"]
        self.batches.append((signature, len(x)))
        if signature == "exclusions":
            reasons = np.where(x[:, None] >= [1, 2], "", "x is too low").astype(object)
            held = (inputs["held_products"][:, :, None] == strings("a", "b")).any(axis=1)
            return {"reason": np.where(held, HELD_REASON, reasons)}
        product = inputs["candidates"][:, 0]
        return {"probability": np.where(product == "a", x / 10, 1 - x / 10)[:, None].astype(NUMBER)}


@pytest.fixture
def shop(tmp_path: Path) -> tuple[Recommender, Shop]:
    """Return six customers with x from 0 to 5, of whom the last two hold a."""
    held = np.array([[""]] * 4 + [["a"]] * 2, object)
    loaded = SHOP.load(tmp_path, tuple("uvwxyz"), x=numbers(0, 1, 2, 3, 4, 5), held_products=held)
    backend = Shop(SHOP)
    return Recommender(loaded.folder, backend), backend


def test_the_likeliest_of_those_who_may_have_it(shop: tuple[Recommender, Shop]) -> None:
    audiences = Audiences(shop[0])
    found = audiences.of("a")
    # x = 0 is too low, and 4 and 5 hold it: of 1, 2 and 3 the highest x is the likeliest.
    assert [(one.id, one.row) for one in found.likeliest] == [("x", 3), ("w", 2), ("v", 1)]
    assert [one.probability for one in found.likeliest] == pytest.approx([0.3, 0.2, 0.1])
    assert (found.customers, found.looked_at, found.may_have, found.hold, found.kept_out) == (6, 6, 3, 2, 1)
    other = audiences.of("b")
    # x = 0 and 1 are too low, and the lowest of the others is the likeliest.
    assert [one.id for one in other.likeliest] == ["w", "x", "y", "z"]
    assert (other.may_have, other.hold, other.kept_out) == (4, 0, 2)


def test_the_rules_are_asked_once_and_each_product_once(shop: tuple[Recommender, Shop]) -> None:
    audiences = Audiences(shop[0])
    assert audiences.known("a") is None and shop[1].batches == []
    first = audiences.of("a")
    assert audiences.of("a") is audiences.known("a") is first
    audiences.of("b")
    # Only those who may have it are scored.
    assert shop[1].batches == [("exclusions", 6), ("score_products", 3), ("score_products", 4)]


def test_a_large_snapshot_is_drawn_from_by_what_may_be_kept(shop: tuple[Recommender, Shop]) -> None:
    found = Audiences(shop[0], most_cells=9).of("b")  # 9 cells of 2 products are 4 customers
    assert (found.customers, found.looked_at) == (6, 4)
    assert found.may_have + found.hold + found.kept_out == 4
    assert {one.id for one in found.likeliest} <= set("wxyz")
    assert found == Audiences(shop[0], most_cells=9).of("b")


def test_without_a_snapshot_nobody_is_found(tmp_path: Path) -> None:
    folder = SHOP.load(tmp_path).folder
    found = Audiences(Recommender(folder, Shop(SHOP))).of("a")
    assert (found.customers, found.likeliest) == (0, ())


def test_unknown_products_are_refused(shop: tuple[Recommender, Shop]) -> None:
    with pytest.raises(InputError, match="there is no product 'c'"):
        Audiences(shop[0]).of("c")


def test_an_older_export_is_refused(shop: tuple[Recommender, Shop], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Recommender, "has_signature", lambda self, name: False)
    with pytest.raises(FailedError, match="export it again"):
        Audiences(shop[0])


def test_as_if_every_customer_were_recommended_everything(recommender: Recommender) -> None:
    """Nobody whom a rule or a holding keeps from it is listed, and the probabilities are the recommended ones."""
    customers, width = recommender.customers(), len(recommender.products.ids)
    everything = recommender.recommend(customers.columns, width)
    for product in recommender.products.ids[[0, 17, 33]].tolist():
        customer, place = np.nonzero(everything.product_id == product)
        probabilities = everything.probability[customer, place]
        found = Audiences(recommender, most_cells=len(customers.ids) * width).of(product)
        assert found.may_have == len(customer)
        assert found.hold == (customers.columns["held_products"] == product).any(axis=1).sum()
        assert {one.row for one in found.likeliest} <= set(customer.tolist())
        assert [customers.ids[one.row] for one in found.likeliest] == [one.id for one in found.likeliest]
        expected = np.sort(probabilities)[::-1][:100]
        assert [one.probability for one in found.likeliest] == pytest.approx(expected.tolist(), abs=1e-6)

"""The simulated bank keeps its own rules, repeats itself under a seed, and its oracle is honest."""

import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nextbest.data.bank import BankConfig, simulate_bank
from nextbest.data.bank.catalogue import draw_products
from nextbest.data.bank.categories import ATTRIBUTE_TASTES, ATTRIBUTES, CATEGORIES, SITUATION
from nextbest.data.bank.config import make_timeline
from nextbest.data.bank.population import draw_people
from nextbest.data.bank.utility import Market, State, draw_hidden, draw_world
from nextbest.data.config import DataConfig

SMALL = BankConfig(customers=300, products=40, branch_size=150, oracle_draws=16)


class Bank:
    """The written tables, with whole days as numbers."""

    def __init__(self, folder: Path) -> None:
        self.toml = tomllib.loads((folder / "nextbest.toml").read_text())
        self.data = DataConfig.model_validate(self.toml["data"])
        self.customers = pd.read_csv(folder / self.data.customers.path, parse_dates=["as_of", "joined"])
        self.products = pd.read_csv(folder / self.data.products.path, parse_dates=["as_of", "launched"])
        self.events = pd.read_csv(folder / self.data.interactions.path, parse_dates=["timestamp"])
        self.oracle = pd.read_parquet(folder / self.toml["evaluation"]["oracle"])
        self.cutoff = pd.Timestamp(str(self.data.windows.test_cutoff))
        opened = self.events[self.events.event == "open"].sort_values("timestamp")
        rows = self.customers.sort_values("as_of")
        self.purchases = pd.merge_asof(
            opened, rows, left_on="timestamp", right_on="as_of", by="customer_id", direction="backward"
        ).merge(self.products.drop(columns="as_of"), on="product_id")

    def held_at_cutoff(self) -> set[tuple[str, str]]:
        owned = self.events[(self.events.event != "view") & (self.events.timestamp <= self.cutoff)]
        last = owned.sort_values("timestamp").drop_duplicates(["customer_id", "product_id"], keep="last")
        return set(last[last.event == "open"][["customer_id", "product_id"]].itertuples(index=False, name=None))

    def new_in_test_window(self) -> set[tuple[str, str]]:
        acquired = self.events[(self.events.event == "open") & (self.events.timestamp > self.cutoff)]
        pairs = set(acquired[["customer_id", "product_id"]].itertuples(index=False, name=None))
        return pairs - self.held_at_cutoff()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulate_bank(SMALL, tmp_path_factory.mktemp("banks") / "bank").parent


@pytest.fixture(scope="module")
def bank(folder: Path) -> Bank:
    return Bank(folder)


def test_the_toml_describes_the_files(bank: Bank) -> None:
    assert set(bank.toml) == {"seed", "data", "evaluation"}
    assert bank.data.customers.columns.keys() | {"customer_id", "as_of"} == set(bank.customers)
    assert bank.data.products.columns.keys() | {"product_id", "as_of"} == set(bank.products)
    assert bank.data.segment == "segment"
    assert len(bank.data.policy.rules) == 5


def test_sizes_are_as_configured(bank: Bank) -> None:
    assert bank.customers.customer_id.nunique() == 300
    assert len(bank.products) == 40
    assert bank.products.category.nunique() >= 12
    assert bank.products.name.is_unique


def test_the_history_ends_one_horizon_after_the_cutoff(bank: Bank) -> None:
    days_after = (bank.events.timestamp - bank.cutoff).dt.days
    assert days_after.max() in range(85, 92)
    # Three years of steps of 91 / 3 days: 36 steps make 1092 days, of which the test window takes 91.
    assert (bank.cutoff - bank.events.timestamp.min()).days in range(995, 1001)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(folder: Path, tmp_path: Path) -> None:
    simulate_bank(SMALL, tmp_path / "again")
    simulate_bank(SMALL.model_copy(update={"seed": 8}), tmp_path / "other")
    for file in sorted(folder.iterdir()):
        assert (tmp_path / "again" / file.name).read_bytes() == file.read_bytes()
        assert (tmp_path / "other" / file.name).read_bytes() != file.read_bytes()


def test_policy_holds_at_every_purchase(bank: Bank) -> None:
    bought = bank.purchases
    assert bought.as_of.notna().all()
    assert (bought.risk_level <= bought.risk_tolerance).all()
    assert (bought.min_income <= bought.income).all()
    assert (bought.min_age <= bought.age).all()
    assert (bought.min_deposit <= bought.savings).all()


def test_the_policy_at_the_cutoff_forbids_no_acquisition_of_the_test_window(bank: Bank) -> None:
    # The rows are refreshed at the cutoff and then not for half a year.
    late = bank.purchases[bank.purchases.timestamp > bank.cutoff]
    assert (late.as_of <= bank.cutoff).all()


def test_nothing_is_bought_before_its_launch(bank: Bank) -> None:
    assert (bank.purchases.timestamp > bank.purchases.launched).all()
    assert (bank.products.launched > bank.events.timestamp.min()).any()


def test_nothing_happens_before_joining(bank: Bank) -> None:
    assert (bank.customers.as_of >= bank.customers.joined).all()
    joined = bank.customers.groupby("customer_id").joined.first()
    assert (bank.events.timestamp >= bank.events.customer_id.map(joined)).all()
    assert not bank.customers.duplicated(["customer_id", "as_of"]).any()


def test_a_product_is_opened_and_closed_in_turn(bank: Bank) -> None:
    owned = bank.events[bank.events.event != "view"].sort_values("timestamp", kind="stable")
    turn = owned.groupby(["customer_id", "product_id"]).cumcount() % 2
    assert (owned.event == turn.map({0: "open", 1: "close"})).all()
    assert not owned.duplicated(["customer_id", "product_id", "timestamp"]).any()


def test_prerequisites_are_held_at_purchase(bank: Bank) -> None:
    category = bank.products.set_index("product_id").category
    owned = bank.events[bank.events.event != "view"].assign(
        category=lambda events: events.product_id.map(category),
        change=lambda events: events.event.map({"open": 1, "close": -1}),
    )
    needed = bank.purchases[bank.purchases.requires != "none"]
    pairs = needed[["customer_id", "product_id", "timestamp", "requires"]].merge(
        owned, left_on=["customer_id", "requires"], right_on=["customer_id", "category"], suffixes=("", "_owned")
    )
    before = pairs[pairs.timestamp_owned <= pairs.timestamp]
    held = before.groupby(["customer_id", "product_id", "timestamp"]).change.sum()
    purchases = needed.groupby(["customer_id", "product_id", "timestamp"]).size()
    assert len(purchases) > 100
    assert (held.reindex(purchases.index, fill_value=0) > 0).all()


def test_views_precede_acquisitions(bank: Bank) -> None:
    views = bank.events[bank.events.event == "view"]
    seen = bank.purchases.merge(views, on=["customer_id", "product_id"], suffixes=("", "_view"))
    days = (seen.timestamp - seen.timestamp_view).dt.days
    lately = seen[days.between(1, 60)].drop_duplicates(["customer_id", "product_id", "timestamp"])
    # Were views unrelated to purchases, a pair's 60 days would hold one far less often.
    pairs = bank.customers.customer_id.nunique() * len(bank.products)
    by_chance = len(views) / pairs * 60 / 1092
    assert len(lately) / len(bank.purchases) > 3 * by_chance


def test_the_oracle_knows_nothing_impossible(bank: Bank) -> None:
    pairs = set(bank.oracle[["customer_id", "product_id"]].itertuples(index=False, name=None))
    assert not pairs & bank.held_at_cutoff()
    assert len(pairs) == len(bank.oracle)
    assert bank.oracle.probability.between(0, 1, inclusive="right").all()
    # The bank has no more products than the oracle keeps, so it must have foreseen every acquisition.
    assert bank.new_in_test_window() <= pairs


def test_the_oracle_is_calibrated_and_beats_popularity(bank: Bank, tmp_path: Path) -> None:
    others = [SMALL.model_copy(update={"seed": seed}) for seed in (11, 12)]
    banks = [bank, *(Bank(simulate_bank(config, tmp_path / str(config.seed)).parent) for config in others)]
    scored = []
    for one in banks:
        new = pd.DataFrame(sorted(one.new_in_test_window()), columns=["customer_id", "product_id"]).assign(new=1)
        scores = one.oracle.merge(new, how="left", on=["customer_id", "product_id"]).fillna({"new": 0})
        popularity = one.purchases[one.purchases.timestamp <= one.cutoff].product_id.value_counts()
        scores["popularity"] = scores.product_id.map(popularity).fillna(0)
        for name in ("probability", "popularity"):
            ranks = scores.groupby("customer_id")[name].rank(ascending=False, method="first")
            scores[f"top_by_{name}"] = ranks <= 3
        scored.append(scores)
    scores = pd.concat(scored)
    for _, group in scores.groupby(pd.cut(scores.probability, [0, 0.01, 0.03, 0.1, 0.2, 1])):
        expected = group.probability.sum()
        # The number of acquisitions is nearly Poisson: four standard deviations.
        assert abs(group.new.sum() - expected) < 4 * np.sqrt(expected)
    assert scores.new[scores.top_by_probability].sum() > 1.3 * scores.new[scores.top_by_popularity].sum()


def test_probabilities_follow_the_documented_formula() -> None:
    timeline = make_timeline(SMALL)
    rng = np.random.default_rng(3)
    catalogue = draw_products(SMALL, timeline, rng)
    market = Market(draw_world(SMALL, timeline, rng), catalogue)
    people = draw_people(20, np.zeros(20, np.int64), timeline, rng)
    tastes = market.tastes(people, draw_hidden(20, SMALL.choice, rng))
    state = State.empty(20, 40)
    state.active[:] = True
    state.held[:, catalogue.category == 0] = rng.uniform(size=(20, (catalogue.category == 0).sum())) < 0.5
    state.interest[:] = rng.uniform(size=(20, 40)) < 0.1
    step, choice = 20, SMALL.choice
    actual = market.probabilities(tastes, state, state.held, step)

    names = [category.name for category in CATEGORIES]
    popularity = market.popularity(step)
    for i in range(20):
        held = [{j for j in range(40) if state.held[i, j] and catalogue.category[j] == c} for c in range(len(names))]
        weight = np.zeros(40)
        for j in range(40):
            c = catalogue.category[j]
            required = CATEGORIES[c].requires
            met = required is None or held[names.index(required)]
            if met and j not in held[c] and tastes.suitable[i, j]:
                loyal = any(catalogue.brand[k] == catalogue.brand[j] for k in held[c])
                v = tastes.product[i, j] + popularity[j] + choice.interest * state.interest[i, j]
                weight[j] = np.exp((v + choice.brand_loyalty * loyal) / choice.similarity)
        attraction = np.zeros(len(names))
        for c, category in enumerate(CATEGORIES):
            led = sum(CATEGORIES[d].leads_to.get(category.name, 0) for d in range(len(names)) if held[d])
            w = tastes.category[i, c] + choice.complement * led + category.repeat * len(held[c])
            w += market.world.season[step, c] + market.world.campaign[step, tastes.segment[i], c]
            inside = weight[catalogue.category == c]
            attraction[c] = np.exp(w) * (inside.sum() / len(inside)) ** choice.similarity
        expected = np.zeros(40)
        for j in np.flatnonzero(weight).tolist():
            c = catalogue.category[j]
            nest = attraction[c] / (np.exp(tastes.inertia[i]) + attraction.sum())
            expected[j] = nest * weight[j] / weight[catalogue.category == c].sum()
        np.testing.assert_allclose(actual[i], expected, rtol=1e-4, atol=1e-9)


def test_the_tables_of_the_world_name_what_exists() -> None:
    names = {category.name for category in CATEGORIES}
    assert set(ATTRIBUTE_TASTES) == set(ATTRIBUTES)
    assert {part for weights in ATTRIBUTE_TASTES.values() for part in weights} <= set(SITUATION)
    for category in CATEGORIES:
        assert set(category.needs) <= set(SITUATION)
        assert set(category.leads_to) <= names - {category.name}
        assert category.requires is None or category.requires in names
        assert category.variants[0].tier == 0
        # What is borrowed is paid back over a term.
        assert not category.borrowed or min(category.durations) > 0


def test_a_large_bank_is_parquet_and_a_branch_offers_an_assortment(tmp_path: Path) -> None:
    config = SMALL.model_copy(
        update={"customers": 60, "products": 2000, "products_per_branch": 30, "branch_size": 20, "csv_up_to": 0}
    )
    folder = simulate_bank(config, tmp_path / "large").parent
    assert {file.suffix for file in folder.iterdir()} == {".parquet", ".toml"}
    products = pd.read_parquet(folder / "products.parquet")
    assert len(products) == 2000
    assert products.name.is_unique
    customers = pd.read_parquet(folder / "customers.parquet").drop_duplicates("customer_id")
    events = pd.read_parquet(folder / "interactions.parquet").merge(customers, on="customer_id")
    assert (events.groupby("branch").product_id.nunique() <= 30).all()
    assert events.product_id.nunique() > 30


def test_a_long_horizon_refreshes_the_rows_within_it(tmp_path: Path) -> None:
    config = SMALL.model_copy(update={"customers": 50, "horizon_days": 300, "oracle_draws": 2})
    bank = Bank(simulate_bank(config, tmp_path / "long").parent)
    assert (bank.customers.as_of > bank.cutoff).any()
    assert bank.events.timestamp.max() <= bank.cutoff + pd.Timedelta(days=300)


def test_a_folder_with_something_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "kept.txt").write_text("precious")
    with pytest.raises(FileExistsError, match="not an empty folder"):
        simulate_bank(SMALL, tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["kept.txt"]


def test_a_failure_leaves_nothing_behind(tmp_path: Path) -> None:
    def stop(share: float, doing: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate_bank(SMALL, tmp_path / "bank", stop)
    assert not list(tmp_path.iterdir())


def test_progress_rises_to_one(tmp_path: Path) -> None:
    shares: list[float] = []
    simulate_bank(SMALL.model_copy(update={"customers": 40, "branch_size": 10, "oracle_draws": 1}), tmp_path / "bank",
                  lambda share, doing: shares.append(share))  # fmt: skip
    assert shares == sorted(shares)
    assert shares[-1] == 1

"""The bank's products: what people read about them, and what the utility model sees in them."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from nextbest.data.bank.categories import BRANDS, CATEGORIES, Category
from nextbest.data.bank.config import BankConfig, Timeline
from nextbest.data.dataset import Array

__all__ = ["BankProducts", "draw_assortment", "draw_products"]

STYLES = 4
"""Dimensions of the latent style."""
BUMPS = 2
"""Bumps of popularity that a product has in the recorded time."""
NEW_SHARE = 0.2
"""Share of the products that are launched within the recorded time."""
OLDEST_DAYS, NEWEST_DAYS = 3000, 60
"""How long before the opening the other products were launched."""
DIGITAL = {"Online", "Digital", "Mobile", "Pay-per-Mile"}
SUSTAINABLE = {"Green", "Climate", "Ethical", "Sustainable"}
CURRENCIES = {"Dollar": "USD", "Sterling": "GBP"}
ABROAD = {"Global", "World", "Worldwide", "Travel", "Nomad", "Emerging", "European", *CURRENCIES}
CATEGORY_NUMBERS = {category.name: number for number, category in enumerate(CATEGORIES)}


@dataclass(frozen=True)
class BankProducts:
    """Products, sorted by category and brand; every array has a row per product."""

    ids: Array
    names: Array
    descriptions: Array
    category: Array
    """Position in CATEGORIES, int64."""
    brand: Array
    """Position in BRANDS, int64."""
    staple: Array
    """One basic product of each category: launched before the opening, in every assortment."""
    risk_level: Array
    tier: Array
    expected_yield: Array
    """Percent a year; a loan's rate."""
    duration_months: Array
    """0: open-ended."""
    annual_fee: Array
    min_income: Array
    min_age: Array
    min_deposit: Array
    currency: Array
    digital: Array
    sustainable: Array
    international: Array
    launched: Array
    """Day of the launch, in days since 1970-01-01, int64."""
    popularity: Array
    """Lasting popularity, [num_products]."""
    style: Array
    """Latent style, [num_products, STYLES]."""
    bump_day: Array
    """Middle of each bump of popularity, in days since 1970-01-01, [num_products, BUMPS]."""
    bump_height: Array
    """Height of each bump, [num_products, BUMPS]."""

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: Array) -> BankProducts:
        """Return the given products, in the order of `rows`."""
        return BankProducts(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})

    @property
    def attributes(self) -> Array:
        """What customers have a taste for, in the order of ATTRIBUTES, float32, [num_products, num_attributes]."""
        columns = [
            _standardise_within(self.category, self.expected_yield),
            _standardise_within(self.category, self.annual_fee),
            _standardise_within(self.category, np.log1p(self.duration_months)),
            self.tier / 2,
            self.digital,
            self.sustainable,
            self.international,
        ]
        return np.stack(columns, axis=1).astype(np.float32)

    def popularity_at(self, day: float, width_days: float) -> Array:
        """Return the popularity with its drift on `day`, [num_products]."""
        bumps = self.bump_height * np.exp(-0.5 * ((day - self.bump_day) / width_days) ** 2)
        return (self.popularity + bumps.sum(axis=1)).astype(np.float32)


def draw_products(config: BankConfig, timeline: Timeline, rng: np.random.Generator) -> BankProducts:
    """Draw `config.products` products. No two have the same name."""
    places = _shares(config.products)
    parts = [_draw_category(number, count, rng) for number, count in enumerate(places)]
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    count = config.products
    launched = _draw_launches(columns["staple"], timeline, rng)
    bump_day = rng.uniform(timeline.bounds[0], timeline.bounds[-1], (count, BUMPS))
    bump_height = config.choice.drift * rng.uniform(-2, 2, (count, BUMPS))
    # A product that is launched in the recorded time begins with a rise.
    new = launched > timeline.bounds[0]
    bump_day[new, 0] = launched[new] + rng.uniform(0, 90, new.sum())
    bump_height[new, 0] = np.abs(bump_height[new, 0])
    brand_style = rng.normal(size=(len(BRANDS), STYLES))
    width = max(4, len(str(count)))
    return BankProducts(
        ids=np.array([f"P{number:0{width}d}" for number in range(1, count + 1)], object),
        launched=launched,
        popularity=config.choice.popularity * rng.normal(size=count),
        style=np.sqrt(0.5) * (brand_style[columns["brand"]] + rng.normal(size=(count, STYLES))),
        bump_day=bump_day,
        bump_height=bump_height,
        **columns,
    )


def draw_assortment(catalogue: BankProducts, size: int, rng: np.random.Generator) -> Array:
    """Draw the products that one branch offers: all if they fit, else popular ones of every category.

    Args:
        catalogue: The bank's products.
        size: How many the branch offers at most.
        rng: Source of the draw. Popular products are likelier: the largest of popularity plus Gumbel noise are
            taken in each category, after its staple.

    Returns:
        Sorted positions in the catalogue, int64, [at most size].
    """
    if len(catalogue) <= size:
        return np.arange(len(catalogue))
    sizes = np.bincount(catalogue.category, minlength=len(CATEGORIES))
    first = np.cumsum(sizes) - sizes
    noisy = catalogue.popularity + rng.gumbel(size=len(catalogue))
    noisy[catalogue.staple] = np.inf
    order = np.lexsort((-noisy, catalogue.category))
    rank = np.arange(len(catalogue)) - first[catalogue.category[order]]
    return np.sort(order[rank < _shares(size, sizes)[catalogue.category[order]]])


def _standardise_within(group: Array, values: Array) -> Array:
    """Return the values less their group's mean, divided by its standard deviation (halved: about -1 to 1)."""
    counts = np.bincount(group)
    safe = np.maximum(counts, 1)
    centred = values - (np.bincount(group, values) / safe)[group]
    spread = np.sqrt(np.bincount(group, centred**2) / safe)[group]
    return 0.5 * centred / np.where(spread > 0, spread, 1)


def _shares(total: int, at_most: Array | None = None) -> Array:
    """Divide `total` places among the categories: one each, the rest by their share, [num_categories]."""
    weights = np.array([category.share for category in CATEGORIES])
    exact = 1 + (total - len(CATEGORIES)) * weights / weights.sum()
    places = np.floor(exact).astype(np.int64)
    places[np.argsort(places - exact, kind="stable")[: total - places.sum()]] += 1
    return places if at_most is None else np.minimum(places, at_most)


def _combinations(category: Category, count: int, rng: np.random.Generator) -> tuple[Array, Array, Array, Array]:
    """Draw different products of a category.

    Returns:
        Variants, brands, series (a second one is begun when all pairs of variant and brand are taken) and whether a
        product is the staple, each [count]. The staple is of the first, basic variant.
    """
    pairs = len(category.variants) * len(BRANDS)
    pair = rng.permutation(pairs)
    staple = int(np.argmax(pair < len(BRANDS)))
    pair[0], pair[staple] = pair[staple], pair[0]
    number = np.arange(count)
    variant, brand = np.divmod(pair[number % pairs], len(BRANDS))
    series = number // pairs + 1
    order = np.lexsort((series, variant, brand))
    return variant[order], brand[order], series[order], (number == 0)[order]


def _name(category: Category, variant: int, brand: int, series: int, duration: int) -> str:
    name = f"{BRANDS[brand]} {category.variants[variant].name} {category.noun}"
    if len(category.durations) > 1 and duration:
        name += f" {duration} Months" if duration < 60 else f" {duration // 12} Years"
    return name if series == 1 else f"{name} Series {series}"


def _between(low_high: tuple[float, float], share: Array, step: float) -> Array:
    low, high = low_high
    return np.round((low + (high - low) * share) / step) * step


def _draw_category(number: int, count: int, rng: np.random.Generator) -> dict[str, Array]:
    category = CATEGORIES[number]
    variant, brand, series, staple = _combinations(category, count, rng)
    risk = np.array([one.risk for one in category.variants])[variant]
    tier = np.array([one.tier for one in category.variants])[variant]
    level = np.clip(tier / 2 * rng.uniform(0.75, 1, count) + rng.uniform(0, 0.2, count), 0, 1)
    reward = 0.7 * (risk - 1) / 4 if category.invests else 0.7 * rng.uniform(size=count)
    duration = rng.choice(category.durations, count)
    names = [_name(category, *one) for one in zip(variant, brand, series, duration, strict=True)]
    words = [set(name.split()) for name in names]
    about = [
        f"{name}: for {category.about}. {_terms(category, *terms)}"
        for name, *terms in zip(names, risk, tier, duration, strict=True)
    ]
    return {
        "names": np.array(names, object),
        "descriptions": np.array(about, object),
        "category": np.full(count, number),
        "staple": staple,
        "brand": brand,
        "risk_level": risk,
        "tier": tier,
        "expected_yield": np.round(_between(category.interest, reward + 0.3 * rng.uniform(size=count), 0.05), 2),
        "duration_months": duration,
        "annual_fee": _between(category.fee, level, 1),
        "min_income": _between(category.min_income, np.where(tier > 0, level, 0), 500),
        "min_age": np.full(count, category.min_age),
        "min_deposit": _between(category.min_deposit, np.where(tier > 0, level, 0), 100),
        "currency": np.array([next((CURRENCIES[w] for w in CURRENCIES if w in one), "EUR") for one in words], object),
        "digital": np.array([bool(one & DIGITAL) for one in words]),
        "sustainable": np.array([bool(one & SUSTAINABLE) for one in words]),
        "international": np.array([bool(one & ABROAD) for one in words]),
    }


def _terms(category: Category, risk: int, tier: int, duration: int) -> str:
    term = f"{duration} months" if duration else "open-ended"
    need = f", needs a {category.requires.replace('_', ' ')}" if category.requires else ""
    return f"{('Basic', 'Plus', 'Premium')[tier]} tier, risk {risk} of 5, {term}{need}."


def _draw_launches(staple: Array, timeline: Timeline, rng: np.random.Generator) -> Array:
    """Draw the days of launch. The staples are old, so that no category is ever empty."""
    count, opening = len(staple), timeline.bounds[0]
    old = opening - rng.integers(NEWEST_DAYS, OLDEST_DAYS, count)
    new = rng.integers(opening + 1, timeline.bounds[timeline.cutoff_step - 1] + 1, count)
    return np.where((rng.uniform(size=count) < NEW_SHARE) & ~staple, new, old)

"""Settings of the simulated bank, and its calendar of steps."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
from pydantic import Field

from nextbest.data.dataset import Array
from nextbest.data.settings import SettingsModel

__all__ = ["BankConfig", "ChoiceConfig", "Timeline", "make_timeline"]


class ChoiceConfig(SettingsModel):
    """Coefficients of the utility model; `data.bank.utility` states the formula that they enter."""

    similarity: float = Field(0.5, gt=0, le=1)
    """Nested logit's dissimilarity parameter: the smaller, the more alike are the products of one category."""
    popularity: float = Field(0.5, ge=0)
    """Standard deviation of the products' lasting popularity."""
    drift: float = Field(0.5, ge=0)
    """Height of the bumps by which a product's popularity rises and fades (from minus to plus twice this)."""
    drift_months: float = Field(6.0, gt=0)
    """Width (standard deviation) of such a bump, in months."""
    attribute_taste: float = Field(0.85, ge=0)
    """Weight of the taste for attributes that follows from what the bank knows of a customer."""
    style_taste: float = Field(0.12, ge=0)
    """Standard deviation of the taste for latent style, which only a customer's deeds reveal."""
    brand_region: float = Field(0.35, ge=0)
    """Standard deviation of a region's leaning to a brand."""
    brand_loyalty: float = Field(0.8, ge=0)
    """Utility of a product whose brand the customer already holds in the same category."""
    risk_misfit: float = Field(0.35, ge=0)
    """Disutility per squared step by which an investment's risk falls short of the customer's tolerance."""
    fee_burden: float = Field(0.35, ge=0)
    """Disutility of a year's fee, per thousandth of the yearly income."""
    interest: float = Field(2.4, ge=0)
    """Utility of a product that the customer is fully interested in."""
    interest_rate: float = Field(0.28, ge=0, le=1)
    """Chance that an average customer becomes interested in a product in a month."""
    interest_kept: float = Field(0.7, ge=0, lt=1)
    """Share of an interest that is left a month later."""
    views: float = Field(2.4, ge=0)
    """Page views a month of a product that the customer is fully interested in."""
    idle_views: float = Field(0.1, ge=0)
    """Page views a month of whatever is popular, for an average customer."""
    need: float = Field(1.2, ge=0)
    """Weight of the needs that follow from a customer's situation (`categories.Category.needs`)."""
    hidden_need: float = Field(0.2, ge=0)
    """Standard deviation of a customer's need of a category that nothing but the choices reveals."""
    complement: float = Field(1.2, ge=0)
    """Weight of what holding one category does for another (`categories.Category.leads_to`)."""
    season: float = Field(0.6, ge=0)
    """Height of a category's season above its yearly mean."""
    campaign: float = Field(0.8, ge=0)
    """Utility of a category that is being promoted to the customer's segment."""
    renewal: float = Field(1.2, ge=0)
    """Utility of a category in which a product of the customer has just ended."""
    inertia: float = Field(5.3)
    """Utility of taking nothing in a month."""
    activity: float = Field(0.8, ge=0)
    """How much less inert a digitally engaged customer is than a disengaged one."""
    bundle: float = Field(2.2, ge=0)
    """How many products a customer brings along on average when joining, beside a current account."""
    leave: float = Field(0.0015, ge=0, lt=1)
    """Chance that a customer leaves the bank in a month."""


class BankConfig(SettingsModel):
    """A simulated bank."""

    customers: int = Field(10_000, ge=1)
    """How many customers."""
    products: int = Field(120, ge=20)
    """How many products, in 17 categories."""
    years: float = Field(3, gt=0.5)
    """Length of the recorded history, the test window included."""
    start: date = date(2022, 1, 1)
    """The day on which the bank opens its doors."""
    horizon_days: int = Field(91, ge=7)
    """Length of the test window, the last days of the history."""
    ranking_windows: int = Field(6, ge=2)
    """How many windows the TOML asks to train the ranker on, fewer where the history is too short for them."""
    seed: int = Field(7, ge=0)
    """Everything random follows from it: the same seed gives the same bytes."""
    oracle_draws: int = Field(32, ge=1)
    """How many continuations after the test cutoff the oracle averages."""
    oracle_top: int = Field(50, ge=1)
    """How many products per customer the oracle's table keeps."""
    refresh_months: int = Field(6, ge=1)
    """Months between the dated rows of a customer."""
    branch_size: int = Field(500, ge=1)
    """Customers of a branch; one branch at a time is in memory."""
    products_per_branch: int = Field(500, ge=20)
    """How many products a branch offers at most. It bounds the memory and the time of a huge catalogue."""
    csv_up_to: int = Field(50_000, ge=0)
    """Up to so many customers the tables are CSV, which people can open; above it they are Parquet."""
    choice: ChoiceConfig = ChoiceConfig()
    """Coefficients of the utility model."""


DAYS_PER_MONTH = 365.25 / 12
EPOCH = date(1970, 1, 1)


@dataclass(frozen=True)
class Timeline:
    """Step t covers the days `bounds[t] < day <= bounds[t + 1]`."""

    bounds: Array
    """Days since 1970-01-01, int64, [num_steps + 1]."""
    cutoff_step: int
    """The first step after the test cutoff."""
    refresh: Array
    """Whether customers get a new dated row at the start of a step, bool, [num_steps]."""
    months: Array
    """Month of the year (0-11) of the middle of each step, int64, [num_steps]."""

    def __len__(self) -> int:
        return len(self.months)

    @property
    def cutoff(self) -> int:
        """The test cutoff, in days since 1970-01-01: the day before the test window."""
        return int(self.bounds[self.cutoff_step])


def make_timeline(config: BankConfig) -> Timeline:
    """Cut the horizon, and the years before it, into equal steps of about a month.

    The rows of the customers are refreshed at the cutoff and every `refresh_months` before and after it, so that what
    decides on purchases in a short horizon is what the bank knew at the cutoff.
    """
    horizon_steps = max(1, round(config.horizon_days / DAYS_PER_MONTH))
    length = config.horizon_days / horizon_steps
    total = max(horizon_steps + 2, round(config.years * 365.25 / length))
    bounds = (config.start - EPOCH).days - 1 + np.round(np.arange(total + 1) * length).astype(np.int64)
    bounds[-1] = bounds[-1 - horizon_steps] + config.horizon_days
    cutoff_step = total - horizon_steps
    steps = np.arange(total)
    middle = (bounds[:-1] + bounds[1:]) // 2
    return Timeline(
        bounds=bounds,
        cutoff_step=cutoff_step,
        refresh=(steps - cutoff_step) % config.refresh_months == 0,
        months=middle.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) % 12,
    )

"""The bank's customers: who they are when they join, and what life does to them every half-year."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from nextbest.data.bank.categories import SITUATION
from nextbest.data.bank.config import Timeline
from nextbest.data.dataset import Array

__all__ = [
    "EMPLOYMENTS",
    "EVENTS",
    "GENDERS",
    "MARITAL_STATUSES",
    "SEGMENTS",
    "People",
    "draw_people",
    "live",
    "situation",
]

DAYS_PER_YEAR = 365.25
GENDERS = ("female", "male")
EMPLOYMENTS = STUDENT, EMPLOYED, SELF_EMPLOYED, UNEMPLOYED, RETIRED = (
    "student", "employed", "self_employed", "unemployed", "retired",
)  # fmt: skip
MARITAL_STATUSES = SINGLE, MARRIED, DIVORCED = ("single", "married", "divorced")
SEGMENTS = ("student", "everyday", "family", "affluent", "private", "senior", "business")
EVENTS = ("none", "new_job", "marriage", "divorce", "birth", "home_purchase", "retirement")

TRANSFER_STEPS, TRANSFER_SHARE = 6, 0.55
"""The share of the customers that joins in the first steps, taken over from a predecessor."""
NEWCOMER_AGES = ((18, 26), (26, 45), (45, 65), (65, 88))
NEWCOMER_SHARES = (0.2, 0.4, 0.26, 0.14)
MEAN_INCOME: dict[str, float] = {
    STUDENT: 6_500, EMPLOYED: 34_000, SELF_EMPLOYED: 42_000, UNEMPLOYED: 11_000, RETIRED: 21_000,
}  # fmt: skip
MEAN_LOG_INCOME = np.log(28_000)


@dataclass(frozen=True)
class People:
    """Customers, one row each; words are objects holding str, money is in EUR."""

    joined: Array
    """Day of joining, in days since 1970-01-01."""
    born: Array
    """Day of birth, in days since 1970-01-01."""
    gender: Array
    region: Array
    """Position in REGIONS."""
    employment: Array
    marital_status: Array
    dependants: Array
    home_owner: Array
    income: Array
    savings: Array
    loan_balance: Array
    credit_score: Array
    credit_utilisation: Array
    digital_engagement: Array
    risk_tolerance: Array
    last_event: Array
    """What happened since the row before."""
    age: Array
    """Whole years."""
    thrift: Array
    """Hidden: share of the income that is saved."""
    spending: Array
    """Hidden: credit utilisation to which the customer returns."""

    def __len__(self) -> int:
        return len(self.joined)

    @property
    def segment(self) -> Array:
        """Position in SEGMENTS: the first of these groups that a customer belongs to, [num_customers]."""
        groups = {
            "student": self.employment == STUDENT,
            "private": (self.income > 110_000) | (self.savings > 220_000),
            "business": (self.employment == SELF_EMPLOYED) & (self.income > 40_000),
            "affluent": (self.income > 58_000) | (self.savings > 80_000),
            "senior": self.age >= 65,
            "family": self.dependants > 0,
        }
        return np.select(
            list(groups.values()), [SEGMENTS.index(name) for name in groups], default=SEGMENTS.index("everyday")
        )

    def take(self, rows: Array) -> People:
        """Return the given customers, in the order of `rows`."""
        return People(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})

    def where(self, rows: Array, other: People) -> People:
        """Return these people with the marked rows (bool, [num_customers]) taken from `other`."""
        chosen: dict[str, Any] = {
            field.name: np.where(rows, getattr(other, field.name), getattr(self, field.name)) for field in fields(self)
        }
        return People(**chosen)


def draw_people(count: int, regions: Array, timeline: Timeline, rng: np.random.Generator) -> People:
    """Draw `count` customers as they are on the day they join.

    Args:
        count: How many.
        regions: Position of each one's region in REGIONS, [count].
        timeline: When they may join.
        rng: Source of the draws.
    """
    joined = _draw_joined(count, timeline, rng)
    low, high = np.array(NEWCOMER_AGES)[rng.choice(len(NEWCOMER_AGES), count, p=NEWCOMER_SHARES)].T
    years = rng.uniform(low, high)
    born = joined - np.floor(years * DAYS_PER_YEAR).astype(np.int64)
    u = rng.uniform(size=count)
    employment = _strings(
        [(years < 26) & (u < 0.55), years > 66, (years > 60) & (u < 0.35), u > 0.94, u > 0.82],
        [STUDENT, RETIRED, RETIRED, UNEMPLOYED, SELF_EMPLOYED],
        EMPLOYED,
    )
    mean = np.select([employment == word for word in MEAN_INCOME], list(MEAN_INCOME.values()))
    seniority = np.clip((years - 40) / 60, -0.3, 0.25)
    income = np.round(mean * np.exp(seniority + rng.normal(0, 0.45, count)) / 100) * 100
    u = rng.uniform(size=count)
    marital_status = _strings(
        [u < np.clip((years - 22) / 30, 0, 0.62), u > 1 - np.clip((years - 30) / 150, 0, 0.2)],
        [MARRIED, DIVORCED],
        SINGLE,
    )
    parent = (years > 24) & (years < 58) & (rng.uniform(size=count) < np.where(marital_status == SINGLE, 0.12, 0.62))
    thrift = np.clip(rng.normal(0.1, 0.05, count), 0.0, 0.3)
    utilisation = np.round(rng.beta(1.6, 3.5, count), 2)
    risk = 2.9 + 0.5 * np.log(income / 28_000) - 0.02 * (years - 40) + rng.normal(0, 1, count)
    digital = 0.62 - 0.007 * (years - 40) + rng.normal(0, 0.18, count)
    return People(
        joined=joined,
        born=born,
        gender=np.array(GENDERS, object)[rng.integers(0, len(GENDERS), count)],
        region=regions,
        employment=employment,
        marital_status=marital_status,
        dependants=np.where(parent, 1 + rng.poisson(0.8, count), 0),
        home_owner=rng.uniform(size=count) < np.clip((years - 24) / 60, 0, 0.6),
        income=income,
        savings=np.round(income * thrift * np.clip(years - 18, 0.5, 40) * rng.lognormal(-0.4, 0.7, count) / 100) * 100,
        loan_balance=np.zeros(count),
        credit_score=_credit_score(utilisation, income, years, rng.normal(size=count)),
        credit_utilisation=utilisation,
        digital_engagement=np.round(np.clip(digital, 0.02, 0.98), 2),
        risk_tolerance=np.clip(np.round(risk), 1, 5),
        last_event=np.full(count, "none", object),
        age=_age_on(joined, born),
        thrift=thrift,
        spending=utilisation,
    )


def live(people: People, day: int, owed: Array, rng: np.random.Generator) -> People:
    """Return the people as they are on `day`, half a year after their newest row.

    Args:
        people: As of the row before.
        day: Days since 1970-01-01.
        owed: What is left of their loans and mortgages, in EUR, [num_customers].
        rng: Source of life's draws.
    """
    count = len(people)
    age = _age_on(day, people.born)
    event = _draw_events(people, age, rng)
    hired, bought = event == "new_job", event == "home_purchase"
    retired, born = event == "retirement", event == "birth"
    growth = np.exp(rng.normal(0.012, 0.02, count)) * np.where(retired, 0.6, np.where(hired, 1.15, 1.0))
    graduate = hired & (people.income < 18_000)
    income = np.where(graduate, 24_000 * np.exp(rng.normal(0, 0.25, count)), people.income * growth)
    income = np.round(income / 100) * 100
    savings = people.savings * np.exp(rng.normal(0.005, 0.05, count)) + 0.5 * people.thrift * income
    savings *= np.where(bought, 0.5, 1.0)
    utilisation = np.clip(
        people.credit_utilisation
        + 0.4 * (people.spending - people.credit_utilisation)
        + rng.normal(0, 0.08, count)
        + 0.15 * bought,
        0,
        1,
    )
    lapse = (age > 30) & (people.dependants > 0) & (rng.uniform(size=count) < 0.02)
    return replace(
        people,
        age=age,
        last_event=event,
        employment=np.where(hired, EMPLOYED, np.where(retired, RETIRED, people.employment)),
        marital_status=np.where(
            event == "marriage", MARRIED, np.where(event == "divorce", DIVORCED, people.marital_status)
        ),
        dependants=people.dependants + born - lapse,
        home_owner=people.home_owner | bought,
        income=income,
        savings=np.round(savings / 100) * 100,
        loan_balance=np.round(owed / 100) * 100,
        credit_utilisation=np.round(utilisation, 2),
        credit_score=np.clip(
            people.credit_score + np.round(-60 * (utilisation - people.credit_utilisation) + rng.normal(2, 8, count)),
            300,
            850,
        ),
        digital_engagement=np.round(np.clip(people.digital_engagement + rng.normal(0.01, 0.03, count), 0.02, 0.98), 2),
        risk_tolerance=np.clip(people.risk_tolerance - retired, 1, 5),
    )


def situation(people: People) -> Array:
    """Return what needs and tastes follow from, in the order of SITUATION, float32, [num_customers, num_parts].

    Only the columns of the customer's row enter, so a model can learn all of it.
    """
    parts = {
        "young": people.age < 30,
        "middle_aged": (people.age >= 35) & (people.age < 60),
        "senior": people.age >= 62,
        "student": people.employment == STUDENT,
        "employed": people.employment == EMPLOYED,
        "self_employed": people.employment == SELF_EMPLOYED,
        "retired": people.employment == RETIRED,
        "married": people.marital_status == MARRIED,
        "children": np.minimum(people.dependants, 2) / 1.5,
        "home_owner": people.home_owner,
        "income": np.clip(np.log(np.maximum(people.income, 1)) - MEAN_LOG_INCOME, -1.5, 1.5),
        "savings": np.clip(np.log10(people.savings + 100) - 4, -1.5, 1.5),
        "digital": 2 * people.digital_engagement - 1,
        "risk": (people.risk_tolerance - 3) / 2,
        "credit_score": np.clip((people.credit_score - 640) / 100, -1.5, 1.5),
        "utilisation": 2 * (people.credit_utilisation - 0.3),
        "new_home": people.last_event == "home_purchase",
        "new_job": people.last_event == "new_job",
        "new_child": people.last_event == "birth",
        "newly_retired": people.last_event == "retirement",
    }
    return np.stack([parts[name] for name in SITUATION], axis=1).astype(np.float32)


def _strings(conditions: list[Array], words: list[str], default: str) -> Array:
    """Return the first word whose condition holds, object, [num_customers]."""
    return np.select(conditions, [np.array(word, object) for word in words], default=np.array(default, object))


def _age_on(day: Array | int, born: Array) -> Array:
    return np.floor((day - born) / DAYS_PER_YEAR)


def _draw_joined(count: int, timeline: Timeline, rng: np.random.Generator) -> Array:
    """Draw days of joining, before the test cutoff and never on a step's last day (when rows may be refreshed)."""
    early = min(TRANSFER_STEPS, timeline.cutoff_step)
    step = np.where(
        rng.uniform(size=count) < TRANSFER_SHARE,
        rng.integers(0, early, count),
        rng.integers(0, timeline.cutoff_step, count),
    )
    first, last = timeline.bounds[step] + 1, timeline.bounds[step + 1] - 1
    return first + np.floor(rng.uniform(size=count) * (last - first + 1)).astype(np.int64)


def _credit_score(utilisation: Array, income: Array, age: Array, noise: Array) -> Array:
    score = 640 + 45 * np.log(income / 28_000) + 1.2 * (age - 40) - 130 * (utilisation - 0.3) + 40 * noise
    return np.round(np.clip(score, 300, 850))


def _draw_events(people: People, age: Array, rng: np.random.Generator) -> Array:
    """Draw the half-year's event in each one's life, words of EVENTS, [num_customers]."""
    u = rng.uniform(size=(len(EVENTS) - 1, len(people)))
    single, married = people.marital_status == SINGLE, people.marital_status == MARRIED
    working = (people.employment == EMPLOYED) | (people.employment == SELF_EMPLOYED)
    fertile = (age >= 23) & (age <= 43)
    chances = {
        "retirement": working * np.select([age >= 67, age >= 60], [0.6, 0.1]),
        "new_job": np.select(
            [
                people.employment == UNEMPLOYED,
                people.employment == EMPLOYED,
                (people.employment == STUDENT) & (age >= 22),
            ],
            [0.25, 0.035, 0.3],
        ),
        "home_purchase": 0.055 * (~people.home_owner & working & (age >= 25) & (age <= 58) & (people.income > 22_000)),
        "birth": fertile * np.select([married, single], [0.085, 0.01]) * (people.dependants < 4),
        "marriage": 0.055 * (~married & (age >= 22) & (age <= 55)),
        "divorce": 0.008 * married,
    }
    return _strings([u[number] < chance for number, chance in enumerate(chances.values())], list(chances), "none")

"""The world that the bank lives in, as tables: categories of products, brands, regions, tastes for attributes."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["ATTRIBUTES", "ATTRIBUTE_TASTES", "BRANDS", "CATEGORIES", "REGIONS", "SITUATION", "Category", "Variant"]

BRANDS = ("Northgate", "Meridian", "Harbour", "Linden", "Aurora", "Castellan", "Fairway", "Beacon")
REGIONS = ("North", "South", "East", "West", "Capital", "Coast")

SITUATION = (
    "young", "middle_aged", "senior", "student", "employed", "self_employed", "retired", "married", "children",
    "home_owner", "income", "savings", "digital", "risk", "credit_score", "utilisation", "new_home", "new_job",
    "new_child", "newly_retired",
)  # fmt: skip
"""What a customer's needs and tastes follow from: flags (0 or 1) and magnitudes (about -1 to 1)."""

ATTRIBUTES = ("yield", "fee", "duration", "tier", "digital", "sustainable", "foreign")
"""The product's attributes that customers have a taste for."""

ATTRIBUTE_TASTES: dict[str, dict[str, float]] = {
    "yield": {"risk": 0.9, "senior": -0.5, "savings": 0.5, "young": 0.3},
    "fee": {"income": 0.8, "student": -1.2, "young": -0.5, "retired": -0.5, "utilisation": -0.4},
    "duration": {"senior": -1.0, "young": 0.4, "home_owner": 0.6, "children": 0.5, "self_employed": -0.5},
    "tier": {"income": 1.4, "savings": 0.5, "student": -1.3, "credit_score": 0.4},
    "digital": {"digital": 1.8, "senior": -0.9, "young": 0.6, "retired": -0.4},
    "sustainable": {"young": 0.9, "children": 0.6, "digital": 0.5, "self_employed": -0.5, "risk": -0.4},
    "foreign": {"self_employed": 1.0, "income": 0.5, "risk": 0.6, "retired": -0.8, "children": -0.5},
}
"""Attribute -> part of the situation -> weight."""


@dataclass(frozen=True)
class Variant:
    """A kind of product within a category."""

    name: str
    risk: int = 1
    """Risk level, 1-5."""
    tier: int = 0
    """0 basic, 1 plus, 2 premium: scales the fee and the requirements."""


def _variants(*described: str | tuple[str, int] | tuple[str, int, int]) -> tuple[Variant, ...]:
    return tuple(Variant(one) if isinstance(one, str) else Variant(*one) for one in described)


@dataclass(frozen=True)
class Category:
    """A category of products and what makes people want it. Money is in EUR, yields and rates in percent a year."""

    name: str
    noun: str
    """The last word of a product's name."""
    about: str
    """What the description says it is for."""
    share: float
    """Share of the catalogue, in proportion to the others'."""
    variants: tuple[Variant, ...]
    base: float = 0.0
    """Utility for everyone."""
    needs: dict[str, float] = field(default_factory=dict)
    """Part of the situation -> utility."""
    leads_to: dict[str, float] = field(default_factory=dict)
    """Other category -> utility that holding this one adds to it."""
    repeat: float = -1.0
    """Utility added by every product of the category that is already held."""
    requires: str | None = None
    """Category of which a product must be held first."""
    interest: tuple[float, float] = (0.0, 0.0)
    """Lowest and highest yield (or rate)."""
    fee: tuple[float, float] = (0.0, 0.0)
    """Yearly fee of the basic and of the premium tier."""
    durations: tuple[int, ...] = (0,)
    """Terms in months; 0 is open-ended."""
    min_income: tuple[int, int] = (0, 0)
    """Required yearly income of the basic and of the premium tier."""
    min_deposit: tuple[int, int] = (0, 0)
    """Required savings of the basic and of the premium tier."""
    min_age: int = 18
    """Lowest age in years."""
    closing: float = 0.005
    """Chance that a held product is closed in a month, apart from its term."""
    borrowed: float = 0.0
    """Amount owed at the start, in yearly incomes."""
    invests: bool = False
    """Whether a risk level far from the customer's tolerance puts people off."""
    season: int = 0
    """Month in which demand is highest; 0: no season."""


CATEGORIES = (
    Category(
        "current_account", "Account", "everyday payments and salary", 8,
        _variants("Everyday", "Online Current", ("Plus Current", 1, 1), ("Premium Current", 1, 2), "Student Current",
                  ("Joint Current", 1, 1), ("Gold Current", 1, 2), "Basic Current"),
        base=0.6, needs={"new_job": 0.8, "student": 0.4},
        leads_to={"savings_account": 0.6, "credit_card": 0.5, "digital_service": 0.4},
        repeat=-2.6, fee=(0, 144), min_income=(0, 42_000), closing=0.0,
    ),
    Category(
        "savings_account", "Saver", "money set aside and free at any time", 9,
        _variants("Easy", "Online", "Regular", ("Bonus", 1, 1), "Green", ("Premium", 1, 2), "Round-Up",
                  ("Reserve", 1, 1)),
        base=0.5, needs={"savings": 0.5, "young": 0.3, "senior": 0.3, "new_job": 0.4},
        leads_to={"term_deposit": 0.7, "investment_account": 0.3}, repeat=-1.3,
        requires="current_account", interest=(0.4, 2.4), min_deposit=(0, 8_000), season=1,
    ),
    Category(
        "term_deposit", "Term Deposit", "savings at a fixed rate for a fixed term", 11,
        _variants("Fixed", "Online Fixed", "Step-Up", ("Premium Fixed", 1, 2), ("Dollar", 2, 1), "Green",
                  ("Sterling", 2, 1), ("Loyalty", 1, 1)),
        base=-1.1, needs={"savings": 1.1, "senior": 0.7, "retired": 0.5, "risk": -0.7},
        leads_to={"bond": 0.8, "savings_account": 0.2}, repeat=-0.2, requires="savings_account",
        interest=(1.2, 3.9), durations=(6, 12, 18, 24, 36), min_deposit=(1_000, 15_000), closing=0.002, season=1,
    ),
    Category(
        "credit_card", "Card", "payments now that are settled later", 11,
        _variants("Classic", "Cashback", ("Gold", 1, 1), ("Platinum", 1, 2), ("Travel Miles", 1, 1), "Student",
                  ("Rewards Plus", 1, 1), "Low-Rate", "Digital", ("World Premium", 1, 2)),
        base=0.1, needs={"employed": 0.5, "income": 0.6, "utilisation": 0.5, "senior": -0.5},
        leads_to={"travel_insurance": 0.8, "personal_loan": 0.3}, repeat=-1.2, requires="current_account",
        interest=(9.9, 21.9), fee=(0, 190), min_income=(8_000, 48_000), season=11,
    ),
    Category(
        "personal_loan", "Loan", "a purchase paid back in instalments", 9,
        _variants("Personal", "Online Personal", "Renovation", "Debt Consolidation", ("Premium Personal", 1, 2),
                  "Green Home", "Study", ("Flexible", 1, 1)),
        base=-0.5, needs={"utilisation": 1.4, "savings": -0.9, "new_home": 0.9, "married": 0.3, "children": 0.3,
                          "credit_score": 0.3, "senior": -0.7},
        leads_to={"life_insurance": 0.4, "credit_card": 0.3}, repeat=-0.9, requires="current_account",
        interest=(4.5, 12.5), durations=(12, 24, 36, 48, 60), min_income=(12_000, 36_000), borrowed=0.3,
        closing=0.008, season=5,
    ),
    Category(
        "car_loan", "Car Loan", "a new or used car", 5,
        _variants("New Car", "Used Car", "Electric Green", ("Balloon", 1, 1), "Online Car"),
        base=-1.7, needs={"employed": 0.6, "children": 0.7, "new_job": 0.9, "middle_aged": 0.4},
        leads_to={"motor_insurance": 2.4}, repeat=-2.0, requires="current_account", interest=(3.9, 8.9),
        durations=(24, 36, 48, 60), min_income=(15_000, 30_000), borrowed=0.5, closing=0.004, season=4,
    ),
    Category(
        "mortgage", "Mortgage", "a home of one's own", 8,
        _variants("Fixed-Rate", "Variable-Rate", "First Home", "Green Home", ("Premium Fixed-Rate", 1, 2),
                  ("Buy-to-Let", 2, 1), "Online", ("Offset", 1, 1)),
        base=-2.8, needs={"new_home": 4.2, "married": 0.7, "children": 0.5, "income": 0.5, "young": 0.3,
                          "senior": -1.5},
        leads_to={"home_insurance": 2.6, "life_insurance": 1.6}, repeat=-2.4, requires="current_account",
        interest=(2.9, 5.4), durations=(180, 240, 300, 360), min_income=(22_000, 55_000), min_age=21, borrowed=3.5,
        closing=0.002, season=5,
    ),
    Category(
        "investment_account", "Investment Account", "shares, funds and bonds kept in one place", 4,
        _variants("Online", ("Guided", 1, 1), ("Premium", 1, 2), "Starter"),
        base=-0.8, needs={"risk": 1.2, "savings": 0.8, "income": 0.5, "digital": 0.5},
        leads_to={"fund": 1.2, "bond": 0.5}, repeat=-2.8, requires="current_account", fee=(0, 120),
        min_deposit=(0, 12_000), closing=0.0,
    ),
    Category(
        "fund", "Fund", "long-term growth spread over many securities", 20,
        _variants(("Global Equity", 4), ("European Dividend", 3), ("Technology Growth", 5), ("Climate Leaders", 4),
                  ("Balanced", 3), ("Defensive Income", 2), ("Emerging Markets", 5), ("Money Market", 1),
                  ("World Index Digital", 4), ("Ethical Balanced", 3), ("Small Companies", 5, 1),
                  ("Property Income", 3, 1), ("Health Innovation", 4), ("Dollar Reserve", 2)),
        base=-0.6, needs={"risk": 0.9, "savings": 0.6, "digital": 0.3, "young": 0.2},
        leads_to={"pension": 0.4, "bond": 0.3}, repeat=0.35, requires="investment_account", interest=(0.8, 8.5),
        fee=(6, 60), min_deposit=(200, 6_000), closing=0.012, season=2, invests=True,
    ),
    Category(
        "bond", "Bond", "regular interest and the capital back at the end", 8,
        _variants(("Government", 1), ("Corporate", 2), ("High-Yield", 4), ("Green", 2), ("Inflation-Linked", 2),
                  ("Dollar Corporate", 3), ("Perpetual", 4, 1), ("Private Placement", 3, 2)),
        base=-1.0, needs={"senior": 0.8, "savings": 0.8, "retired": 0.5, "risk": -0.2},
        leads_to={"term_deposit": 0.3, "fund": 0.3}, repeat=0.2, requires="investment_account", interest=(1.6, 6.9),
        durations=(24, 36, 60, 84), min_deposit=(1_000, 20_000), closing=0.004,
        invests=True,
    ),
    Category(
        "pension", "Pension Plan", "an income after working life", 6,
        _variants(("Guaranteed", 1), ("Balanced", 2), ("Growth", 3), ("Sustainable", 2), ("Executive", 3, 2),
                  ("Online", 2)),
        base=-0.8, needs={"middle_aged": 1.2, "employed": 0.5, "self_employed": 1.0, "income": 0.5, "retired": -2.5,
                          "student": -1.5},
        leads_to={"life_insurance": 0.5, "fund": 0.3}, repeat=-2.0, interest=(1.2, 5.5), fee=(12, 90),
        min_income=(10_000, 60_000), closing=0.001, season=12, invests=True,
    ),
    Category(
        "life_insurance", "Life Insurance", "the family's income, should the worst happen", 6,
        _variants("Term", "Family", ("Premium Family", 1, 2), "Mortgage", ("Whole", 1, 1), "Online Term"),
        base=-0.8, needs={"children": 1.2, "married": 0.7, "new_child": 1.3, "home_owner": 0.4, "senior": -0.6},
        leads_to={"child_savings": 0.4}, repeat=-2.0, fee=(90, 520), min_income=(10_000, 36_000), closing=0.003,
    ),
    Category(
        "home_insurance", "Home Insurance", "the home and what is in it", 6,
        _variants("Contents", "Buildings", ("Complete", 1, 1), ("Premium", 1, 2), "Tenant", "Online Contents"),
        base=-0.6, needs={"home_owner": 1.4, "new_home": 1.4, "student": -0.8}, repeat=-1.8, fee=(60, 420),
        closing=0.005,
    ),
    Category(
        "motor_insurance", "Motor Insurance", "the car and those it might harm", 5,
        _variants("Third-Party", "Comprehensive", ("Premium", 1, 2), "Pay-per-Mile Digital", "Electric Green"),
        base=-0.5, needs={"employed": 0.4, "children": 0.4, "middle_aged": 0.3}, leads_to={"travel_insurance": 0.4},
        repeat=-1.9, fee=(180, 720), closing=0.007, season=4,
    ),
    Category(
        "travel_insurance", "Travel Insurance", "journeys at home and abroad", 5,
        _variants("Single-Trip", "Annual", ("Worldwide Premium", 1, 2), "Family", "Digital Nomad"),
        base=-0.9, needs={"income": 0.5, "digital": 0.3, "senior": 0.2, "savings": 0.3}, repeat=-1.2, fee=(25, 240),
        durations=(12,), closing=0.01, season=6,
    ),
    Category(
        "child_savings", "Children's Plan", "a child's studies and first steps", 5,
        _variants(("Savings", 1), ("Growth", 3), ("Green Future", 2), ("Education", 1, 1), ("Online Junior", 2)),
        base=-2.6, needs={"children": 2.8, "new_child": 1.8, "income": 0.3}, leads_to={"fund": 0.2}, repeat=-0.9,
        requires="current_account", interest=(1.0, 5.0), durations=(0, 120, 180), closing=0.003, season=9,
        invests=True,
    ),
    Category(
        "digital_service", "Service", "banking on the go and abroad", 6,
        _variants("Mobile Wallet", ("Travel Currency", 2, 1), "Budget Coach Digital", "Identity Guard",
                  ("Crypto Basket Online", 5), ("Business Tools", 1, 2)),
        base=-0.3, needs={"digital": 1.6, "young": 0.5, "self_employed": 0.7, "senior": -0.8},
        leads_to={"investment_account": 0.4}, repeat=-0.4, requires="current_account", fee=(0, 96), closing=0.015,
        season=7,
    ),
)  # fmt: skip

"""The embedded bank: simulated customers, products and three years of dated interactions."""

from nextbest.data.bank.config import BankConfig, ChoiceConfig
from nextbest.data.bank.write import simulate_bank

__all__ = ["BankConfig", "ChoiceConfig", "simulate_bank"]

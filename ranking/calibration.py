"""Platt scaling: the logits of a purchase to probabilities that come true."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from nextbest.data.dataset import Array
from nextbest.data.settings import SettingsModel

__all__ = ["Calibration", "fit_calibration"]


class Calibration(SettingsModel):
    """probability = sigmoid(slope * logit + intercept). The slope is positive, so the order stays."""

    slope: float = 1.0
    intercept: float = 0.0


def fit_calibration(logits: Array, labels: Array, weight: Array) -> Calibration:
    """Fit on held-out logits by maximum likelihood.

    Platt, "Probabilistic outputs for support vector machines", 1999, with the targets of its section 2.2: labels that
    are all alike, or that the logits separate, have no finite fit without them.

    Args:
        logits: [num].
        labels: 0 or 1, [num].
        weight: How many observations each stands for, [num].
    """
    weight = weight.astype(np.float64)
    share = weight / weight.sum()
    positives = float(weight @ labels)
    target = np.where(labels > 0, (positives + 1) / (positives + 2), 1 / (weight.sum() - positives + 2))
    centre, spread = float(logits.mean()), float(logits.std()) or 1.0
    standard = (logits.astype(np.float64) - centre) / spread  # else the first step may be far too long

    def negative_log_likelihood(parameters: Array) -> tuple[float, Array]:
        slope = np.exp(parameters[0])  # the logarithm is fitted: the slope stays positive
        scaled = slope * standard + parameters[1]
        value = float(share @ (np.logaddexp(0.0, scaled) - target * scaled))
        error = share * (expit(scaled) - target)
        return value, np.array([slope * (error @ standard), error.sum()])

    fitted = minimize(negative_log_likelihood, np.zeros(2), jac=True, method="BFGS")
    slope = float(np.exp(fitted.x[0])) / spread
    return Calibration(slope=slope, intercept=float(fitted.x[1]) - slope * centre)

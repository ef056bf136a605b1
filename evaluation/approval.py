"""The approval of a run (TFX's Evaluator calls it a blessing): whether what was measured meets every threshold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Self

import scipy.sparse as sp

from nextbest.data.dataset import Array
from nextbest.data.settings import SettingsModel
from nextbest.evaluation.config import ApprovalConfig, EvaluationConfig
from nextbest.evaluation.intervals import BootstrappedMetrics
from nextbest.evaluation.results import Difference, Evaluation, Interval
from nextbest.modelling.metrics import per_customer

__all__ = ["Approval", "Check", "change_check", "pair_checks", "paired_difference", "value_checks"]


class Check(SettingsModel):
    """One threshold."""

    name: str
    """Which: the key of the TOML and what it is about."""
    passed: bool
    """Whether it is met."""
    text: str
    """One sentence with the figures."""


class Approval(SettingsModel):
    """Whether a run may be served, and why."""

    blessed: bool
    """Whether all checks passed; named as the file BLESSED and the manifest's key are."""
    checks: tuple[Check, ...]
    """All of them."""
    compared_with: int | None
    """The version that the change was measured against, None without one."""

    @classmethod
    def from_checks(cls, checks: Iterable[Check], compared_with: int | None) -> Self:
        """Approve what passes every check."""
        checks = tuple(checks)
        return cls(blessed=all(check.passed for check in checks), checks=checks, compared_with=compared_with)

    @property
    def reasons(self) -> list[str]:
        """Why: the failed checks where one failed, else all of them."""
        return [check.text for check in self.checks if self.blessed or not check.passed]


def value_checks(evaluation: Evaluation, config: ApprovalConfig) -> Iterator[Check]:
    """Check the value thresholds. What was not measured does not reach any, and NaN neither."""
    for key, bounds, requirement in (
        ("lowest", config.lowest, "at least {:.4g} is required"),
        ("highest", config.highest, "at most {:.4g} is allowed"),
    ):
        for name, bound in bounds.items():
            label = f"{key} {name}"
            model, _, metric = name.partition("/")
            found = _measured(evaluation, model, metric)
            if found is None:
                text = f"{model} {metric} was not measured ({_why_not(evaluation, model)}), {requirement.format(bound)}"
                yield Check(name=label, passed=False, text=text)
                continue
            worst = found.low if key == "lowest" else found.high
            worst = found.value if worst is None else worst
            passed = worst >= bound if key == "lowest" else worst <= bound
            yield Check(
                name=label, passed=passed, text=f"{model} {metric} is {_figures(found)}, {requirement.format(bound)}"
            )


def _measured(evaluation: Evaluation, model: str, metric: str) -> Interval | None:
    if model != "calibration":
        return evaluation.models.get(model, {}).get(metric)
    if evaluation.calibration is None:
        return None
    return Interval(value=getattr(evaluation.calibration, metric))


def _why_not(evaluation: Evaluation, model: str) -> str:
    if model == "calibration":
        return "the test window is not as long as the horizon of the probabilities"
    return evaluation.skipped.get(model, "metrics.json has no such value")


def _figures(found: Interval) -> str:
    if found.low is None or found.high is None:
        return f"{found.value:.4g}"
    return f"{found.value:.4g} [{found.low:.4g}, {found.high:.4g}]"


def pair_checks(evaluation: Evaluation, config: ApprovalConfig) -> Iterator[Check]:
    """Check which model beats which. A pair that was not compared is not won."""
    comparisons = {f"{comparison.model}-{comparison.other}": comparison for comparison in evaluation.verdicts}
    for pair in config.must_beat:
        name = f"must_beat {pair}"
        if pair in comparisons:
            yield Check(name=name, passed=comparisons[pair].beats, text=comparisons[pair].text)
        else:
            reasons = [
                f"{model}: {evaluation.skipped[model]}" for model in pair.split("-") if model in evaluation.skipped
            ]
            why = "; ".join(reasons) or "metrics.json has no such pair"
            yield Check(name=name, passed=False, text=f"{pair} was not compared ({why}), and the first must be better")


def paired_difference(
    ours: Array, theirs: Array, relevant: sp.csr_matrix, config: EvaluationConfig, metric: str
) -> Difference:
    """Compare the lists of two models on the same customers and the same resamples of them.

    Args:
        ours: Product positions, best first, padded with NO_PRODUCT, [n, max(ks)].
        theirs: The other model's, [n, max(ks)].
        relevant: Nonzero where relevant, [n, num_products].
        config: List lengths, resamples, level and seed.
        metric: MEASURE@K.
    """
    found = {
        name: {metric: per_customer(lists, relevant, config.ks)[metric]}
        for name, lists in (("ours", ours), ("theirs", theirs))
    }
    return BootstrappedMetrics.from_values(found, config).differences("ours", "theirs")[metric]


def change_check(metric: str, found: Difference, version: int, max_drop: float) -> Check:
    """Check the change threshold against the last approved version."""
    text = (
        f"ranking {metric} is {found.difference:+.4f} [{found.low:+.4f}, {found.high:+.4f}] against version {version}, "
        f"the last approved, a drop of at most {max_drop:.4g} is allowed"
    )
    return Check(name=f"max_drop {metric}", passed=found.low >= -max_drop, text=text)

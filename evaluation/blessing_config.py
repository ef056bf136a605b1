"""What a run must reach before it may be served: TFX's value thresholds and its change threshold."""

from __future__ import annotations

from collections.abc import Collection

from pydantic import Field, FiniteFloat

from nextbest.data.config import StrictModel

__all__ = ["CALIBRATION_ERRORS", "BlessingConfig"]

CALIBRATION_ERRORS = ("ece", "brier", "log_loss")
"""What of metrics.json's calibration may be bounded, as calibration/NAME."""


class BlessingConfig(StrictModel):
    """The thresholds of a run. Values have the names of metrics.json: "ranking/ndcg@5", "calibration/ece".

    An interval must keep to its threshold as a whole, so that no model is blessed for its luck with the customers of
    the test: the lower end counts against `lowest`, the upper end against `highest`. What has no interval (coverage
    and the calibration's errors) is taken by its value. A threshold that is just met is met.
    """

    lowest: dict[str, FiniteFloat] = Field(default_factory=dict)
    """Value thresholds from below: name -> the least that is asked."""
    highest: dict[str, FiniteFloat] = Field(default_factory=dict)
    """Value thresholds from above: name -> the most that is allowed."""
    must_beat: tuple[str, ...] = ("ranking-popularity",)
    """Pairs "A-B" of compared models: the whole interval of A's main metric less B's, on the same customers, must be
    above 0. By default the ranking must beat the list that is the same for everyone."""
    max_drop: float = Field(0.02, ge=0)
    """The change threshold: how much worse than the last blessed version the ranking may be. The lower end of the
    paired interval of the difference must be at or above -max_drop, so few test customers ask for more room than
    many: of a model that was trained again with another seed it lay about 0.04 below the difference with 200 test
    customers, which is 0.012 with 2,000. 1 allows every drop."""
    max_drop_metric: str | None = None
    """The metric of `max_drop`: MEASURE@K, but for coverage; the main metric without it."""

    def problems(
        self, models: Collection[str], metrics: Collection[str], paired: Collection[str], pairs: Collection[str]
    ) -> list[str]:
        """Return what is wrong with the names, given what is measured.

        Args:
            models: The models.
            metrics: Every model's metrics, MEASURE@K.
            paired: Those of them that have a value per customer, and can be compared.
            pairs: The compared pairs, A-B.
        """
        problems = [
            f"blessing.{key} names {name!r}: {fault}"
            for key, bounds in (("lowest", self.lowest), ("highest", self.highest))
            for name in bounds
            if (fault := _fault(name, models, metrics))
        ]
        problems += [
            f"blessing asks for {name} of at least {least:g} and at most {self.highest[name]:g}; mend one of them"
            for name, least in self.lowest.items()
            if name in self.highest and least > self.highest[name]
        ]
        problems += [
            f"blessing.must_beat names {pair!r}, which is not compared; choose from {', '.join(pairs)}"
            for pair in self.must_beat
            if pair not in pairs
        ]
        if self.max_drop_metric is not None and self.max_drop_metric not in paired:
            problems.append(
                f"blessing.max_drop_metric = {self.max_drop_metric!r} is not measured for each customer; choose one of "
                f"{', '.join(paired)}"
            )
        return problems


def _fault(name: str, models: Collection[str], metrics: Collection[str]) -> str | None:
    """Return what is wrong with the name of a value, None if it is one."""
    model, _, metric = name.partition("/")
    if model == "calibration":
        models, metrics = (model,), CALIBRATION_ERRORS
    if model not in models:
        return f"there is no model {model!r}; choose from {', '.join(models)}, or calibration"
    if metric not in metrics:
        return f"{metric!r} is not measured of {model}; choose from {', '.join(metrics)}"
    return None

"""The figures of the report (plotly)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from nextbest.evaluation.results import Calibration, Evaluation, Interval

if TYPE_CHECKING:
    import plotly.graph_objects as go

__all__ = ["calibration_figure", "curve_figure", "forest_figure", "slice_figure"]

# Colours that people with colour-blindness can tell apart (Okabe and Ito 2008); baselines stay in the background.
_COLOURS = {"ranking": "#0072B2", "retrieval": "#E69F00", "oracle": "#009E73"}
_BASELINE = "#9AA3AD"
_DASHES = ("solid", "dot", "dash", "dashdot", "longdash", "longdashdot")
_SYMBOLS = ("circle-open", "square-open", "diamond-open", "triangle-up-open", "cross-open", "star-open")
_FEW_MODELS = 4
"""With more, the figures of slices start with the stages only; a click on the legend adds a baseline."""


def forest_figure(evaluation: Evaluation) -> go.Figure:
    """Return every model's main metric with its interval, the best on top."""
    import plotly.graph_objects as go

    found = {name: metrics[evaluation.main_metric] for name, metrics in evaluation.models.items()}
    names = sorted(found, key=lambda name: found[name].value)
    figure = go.Figure([_points({name: found[name]}, _colour(name)) for name in names])
    figure.update_xaxes(title=evaluation.main_metric, rangemode="tozero")
    return _styled(figure, height=120 + 34 * len(names))


def curve_figure(evaluation: Evaluation, measure: str = "recall") -> go.Figure:
    """Return a measure of every model by the length of the list."""
    import plotly.graph_objects as go

    figure = go.Figure()
    for name, metrics in evaluation.models.items():
        figure.add_scatter(
            x=list(evaluation.k),
            y=[metrics[f"{measure}@{k}"].value for k in evaluation.k],
            name=name,
            mode="lines+markers",
            line={"color": _colour(name), "dash": _own(name, evaluation, _DASHES, "solid"), "width": 2},
        )
    figure.update_xaxes(title="k, length of the list", tickvals=list(evaluation.k))
    figure.update_yaxes(title=f"{measure}@k", rangemode="tozero")
    return _styled(figure, legend=True)


def slice_figure(evaluation: Evaluation, column: str) -> go.Figure:
    """Return the main metric of every model for each label of a customer column."""
    import plotly.graph_objects as go

    slices = evaluation.slices[column]
    figure = go.Figure()
    for name in evaluation.models:
        labels = {f"{label or '(missing)'} ({part.customers:,})": part.models[name] for label, part in slices.items()}
        shown = name in _COLOURS or len(evaluation.models) <= _FEW_MODELS
        points = _points(labels, _colour(name), _own(name, evaluation, _SYMBOLS, "circle"))
        figure.add_trace(points.update(name=name, visible=True if shown else "legendonly"))
    figure.update_xaxes(title=evaluation.main_metric, rangemode="tozero")
    figure.update_layout(scattermode="group", scattergap=0.5)
    return _styled(figure, height=160 + 60 * len(slices), legend=True)


def calibration_figure(calibration: Calibration) -> go.Figure:
    """Return the reliability diagram: what came true against what was predicted."""
    import plotly.graph_objects as go

    top = max(max(one.probability, one.high) for one in calibration.bins)
    figure = go.Figure()
    figure.add_scatter(
        x=[0, top], y=[0, top], mode="lines", line={"color": _BASELINE, "dash": "dot"}, name="perfect", hoverinfo="skip"
    )
    figure.add_scatter(
        x=[one.probability for one in calibration.bins],
        y=[one.rate for one in calibration.bins],
        error_y=_errors([Interval(value=one.rate, low=one.low, high=one.high) for one in calibration.bins]),
        mode="lines+markers",
        line={"color": _COLOURS["ranking"]},
        name="ranking",
        text=[f"{one.count:,} pairs" for one in calibration.bins],
    )
    figure.update_xaxes(title="predicted probability", rangemode="tozero")
    figure.update_yaxes(title="share that was acquired", rangemode="tozero")
    return _styled(figure, legend=True)


def _own(model: str, evaluation: Evaluation, choices: tuple[str, ...], stage: str) -> str:
    """Return what tells a baseline from the others, which share its colour; the stages share `stage`."""
    baselines = [name for name in evaluation.models if name not in _COLOURS]
    return choices[baselines.index(model) % len(choices)] if model in baselines else stage


def _points(values: Mapping[str, Interval], colour: str, symbol: str = "circle") -> go.Scatter:
    import plotly.graph_objects as go

    return go.Scatter(
        x=[value.value for value in values.values()],
        y=list(values),
        error_x=_errors(list(values.values())),
        mode="markers",
        marker={"color": colour, "size": 10, "symbol": symbol},
        orientation="h",
    )


def _errors(values: list[Interval]) -> dict[str, object]:
    highs = [value.value if value.high is None else value.high for value in values]
    lows = [value.value if value.low is None else value.low for value in values]
    return {
        "type": "data",
        "symmetric": False,
        "array": [high - value.value for value, high in zip(values, highs, strict=True)],
        "arrayminus": [value.value - low for value, low in zip(values, lows, strict=True)],
        "thickness": 1.5,
        "width": 4,
    }


def _colour(model: str) -> str:
    return _COLOURS.get(model, _BASELINE)


def _styled(figure: go.Figure, *, height: int = 420, legend: bool = False) -> go.Figure:
    return figure.update_layout(
        template="plotly_white",
        height=height,
        showlegend=legend,
        margin={"l": 10, "r": 10, "t": 20, "b": 50},
        font={"family": "system-ui, sans-serif", "size": 13},
        yaxis={"automargin": True},
    )

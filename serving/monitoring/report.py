"""A monitoring report as files: JSON for machines, one HTML page with pictures, and metrics for Prometheus.

The metrics are a text file for node_exporter's textfile collector (Prometheus' exposition format 0.0.4). The page
needs nothing else: its pictures are SVG within it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from string import Template

from nextbest.data.files import write_text
from nextbest.serving.monitoring.checks import Check, Picture, needed_evidence
from nextbest.serving.monitoring.watch import MonitoringReport

__all__ = ["html_report", "lines", "prometheus_text", "write_report"]

_PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; color: #1f2933; background: #fff; max-width: 62rem; margin: 2rem auto;
  padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2.5rem; } h3 { font-size: 1rem; margin: 0; }
.table { overflow-x: auto; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .8rem; border-bottom: 1px solid #e4e7eb; text-align: right; }
th:first-child, td:first-child, th:last-child, td:last-child { text-align: left; }
.alarm td:first-child::before { content: "\\26A0\\00a0"; } .alarm { color: #9c2f0b; font-weight: 600; }
.note { color: #52606d; font-size: .9rem; }
.pictures { display: grid; grid-template-columns: repeat(auto-fill, minmax(18rem, 1fr)); gap: 1.5rem; }
figure { margin: 0; } svg { width: 100%; height: auto; }
</style>
</head>
<body>
<h1>$title</h1>
$body
</body>
</html>
""")
# Colours that people with colour-blindness can tell apart (Okabe and Ito 2008).
_BEFORE, _NOW = "#9AA3AD", "#0072B2"
_WIDTH, _HEIGHT = 300, 90


def write_report(report: MonitoringReport, folder: Path) -> None:
    """Write monitor.json, report.html and nextbest.prom into the folder, each complete or not at all."""
    write_text(folder / "monitor.json", json.dumps(report.as_json(), indent=1, ensure_ascii=False) + "\n")
    write_text(folder / "report.html", html_report(report))
    write_text(folder / "nextbest.prom", prometheus_text(report))


def lines(report: MonitoringReport) -> Iterator[str]:
    """Yield the report for a terminal: its head, the alarms and what could not be compared."""
    yield _head(report)
    yield from (f"alarm: {check}" for check in report.alarms)
    yield from report.remarks
    alarms = len(report.alarms)
    yield f"{alarms or 'no'} alarm{'' if alarms == 1 else 's'} in {len(report.checks):,} checks"


def _head(report: MonitoringReport) -> str:
    version = "a version that was not pushed" if report.version is None else f"version {report.version}"
    outcomes = "" if report.until is None else f", and what came until {report.until}"
    return (
        f"{report.customers:,} customers as of {report.day}{outcomes}, against the training of {version}, which knows "
        f"everything until {report.cutoff}"
    )


def prometheus_text(report: MonitoringReport) -> str:
    """Return the report as metrics, a line each."""
    raised = {id(check) for check in report.alarms}
    labels = [
        "{" + ",".join(f'{name}="{_label(getattr(check, name))}"' for name in ("group", "subject", "measure")) + "}"
        for check in report.checks
    ]
    age = (report.day - report.cutoff).days
    metrics: list[tuple[str, str, Sequence[float], list[str]]] = [
        ("check_value", "What was found, by check.", [check.value for check in report.checks], labels),
        ("check_limit", "From where on it matters.", [check.limit for check in report.checks], labels),
        ("check_alarm", "1 beyond the limit, and not by chance.", [id(one) in raised for one in report.checks], labels),
        ("alarms", "Checks out of their limits.", [len(raised)], [""]),
        ("customers", "Customers of the file.", [report.customers], [""]),
        ("model_version", "The served version.", [report.version or 0], [""]),
        ("model_age_days", "Days from the cutoff to the day of the file.", [age], [""]),
    ]
    text = []
    for name, meaning, values, places in metrics:
        text += [f"# HELP nextbest_monitor_{name} {meaning}", f"# TYPE nextbest_monitor_{name} gauge"]
        text += [f"nextbest_monitor_{name}{place} {float(one):.6g}" for place, one in zip(places, values, strict=True)]
    return "\n".join([*text, ""])


def _label(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def html_report(report: MonitoringReport) -> str:
    """Return one page: the alarms, all checks, and a picture of each distribution."""
    alarms = len(report.alarms)
    title = f"{alarms} alarm{'' if alarms == 1 else 's'}" if alarms else "Nothing is out of its limits"
    return _PAGE.substitute(title=f"Monitoring: {title}", body="\n".join(_sections(report)))


def _sections(report: MonitoringReport) -> Iterator[str]:
    needed = needed_evidence(report.checks)
    yield f"<p>{escape(_head(report))}.</p>"
    yield from (f"<p>{escape(remark)}</p>" for remark in report.remarks)
    yield (
        "<p class='note'>An alarm is a value beyond its limit that chance does not explain: its evidence is above "
        f"{needed:.1f} nats, which allows for {sum(one.comparisons for one in report.checks):,} comparisons. A limit "
        "holds what usually changes in such a time.</p><h2>Checks</h2>"
    )
    yield _table(report)
    pictures = [(check, check.picture) for check in report.checks if check.picture is not None]
    legend = (
        f"<span style='color:{_BEFORE}' aria-hidden='true'>&#9632;</span> training or what was said, "
        f"<span style='color:{_NOW}' aria-hidden='true'>&#9632;</span> now or what happened"
    )
    yield f"<h2>Distributions</h2><p class='note'>{legend}</p><div class='pictures'>"
    yield from (_figure(check, picture) for check, picture in pictures)
    yield "</div>"


def _table(report: MonitoringReport) -> str:
    raised = {id(check) for check in report.alarms}
    headings = ("what", "group", "measure", "value", "limit", "evidence", "seen")
    head = "".join(f"<th scope='col'>{heading}</th>" for heading in headings)
    rows = []
    for check in report.checks:
        cells = (
            *(check.subject, check.group, check.measure, f"{check.value:.3g}", f"{check.limit:.3g}"),
            *(f"{check.evidence:.1f}", check.detail),
        )
        kind = " class='alarm'" if id(check) in raised else ""
        rows.append(f"<tr{kind}>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>")
    return f"<div class='table'><table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"


def _figure(check: Check, picture: Picture) -> str:
    """Return a picture with two bars a bin; what it shows stands in its title for those who do not see it."""
    top = max([*picture.before, *picture.now, 1e-9])
    step = _WIDTH / max(len(picture.labels), 1)
    bars = []
    for number, (label, before, now) in enumerate(zip(picture.labels, picture.before, picture.now, strict=True)):
        told = f"<title>{escape(label)}: {before:.2%}, now {now:.2%}</title>"
        bars.append(
            f"<g>{told}{_bar(number, 0, before / top, step, _BEFORE)}{_bar(number, 1, now / top, step, _NOW)}</g>"
        )
    name = f"{check.subject}: {check.measure} {check.value:.3g}"
    return (
        f"<figure><h3>{escape(name)}</h3><svg viewBox='0 0 {_WIDTH} {_HEIGHT}' role='img' "
        f"aria-label='{escape(name, quote=True)}; {escape(check.detail, quote=True)}'>{''.join(bars)}</svg></figure>"
    )


def _bar(number: int, half: int, height: float, step: float, colour: str) -> str:
    x, width = (number + 0.1 + 0.4 * half) * step, 0.4 * step
    return (
        f"<rect x='{x:.1f}' y='{_HEIGHT * (1 - height):.1f}' width='{width:.1f}' height='{_HEIGHT * height:.1f}' "
        f"fill='{colour}'/>"
    )

"""Who the chosen customer is, at a glance: a line that sums up, the finances beside the segment's, a timeline."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from markupsafe import Markup

from nextbest.data.tables.words import is_named
from nextbest.data.windows import EPOCH
from nextbest.serving.artifacts.events import EVENT_DAYS, Event
from nextbest.serving.formatting import format_name, sentence_case
from nextbest.serving.insights.profiles import Attribute, Profile
from nextbest.ui.page.html import empty_state, join
from nextbest.ui.page.version_data import SelectedCustomer, VersionData

__all__ = ["finances", "portrait", "summary", "timeline"]

_NO_CUSTOMER_YET = empty_state("No customer is chosen", "Search above, or upload a profile below.")
_NUM_FINANCES = 6
_MARKS = {"opened": "▲", "closed": "▼", "looked at": "●", "refused": "✕"}
"""Kind of event -> its mark, so that no one needs to tell colours apart."""


def portrait(data: VersionData, customer: SelectedCustomer) -> Markup:
    """Describe a customer."""
    if not customer:
        return _NO_CUSTOMER_YET
    request = data.request(customer)
    profile = data.profiles.profile(request)
    today = EPOCH + timedelta(days=int(request["as_of_day"][0]))
    marks = ["uploaded"] if customer.uploaded else []
    if customer.edited:
        marks.append(f"changed: {', '.join(map(format_name, customer.edited))}")
    chips = join(Markup('<span class="chip">{}</span>').format(mark) for mark in marks)
    parts = [
        Markup("<h2>{}</h2>{}").format(customer.id, chips),
        Markup('<p class="summary">{}</p>').format(summary(profile, today)),
        finances(profile),
        timeline(data, data.events_of(customer.id), today),
    ]
    return Markup('<section class="card portrait" aria-label="The chosen customer">{}</section>').format(join(parts))


def summary(profile: Profile, today: date) -> str:
    """Return one line: '43 years, affluent, 4 products, the last one opened 2 months ago'."""
    age = next((one.value for one in profile.attributes if is_named(one.name, "age") and not one.missing), "")
    parts = [age, format_name(profile.segment), _count(profile)]
    opened = [holding.since for holding in profile.holdings if holding.since is not None]
    if opened:
        parts.append(f"the last one opened {_ago(today - max(opened))}")
    return ", ".join(part for part in parts if part)


def _count(profile: Profile) -> str:
    count = len(profile.holdings)
    return "no products yet" if not count else f"{count} product{'s' if count > 1 else ''}"


def _ago(passed: timedelta) -> str:
    days = max(passed.days, 0)
    if days < 14:
        return "today" if not days else "yesterday" if days == 1 else f"{days} days ago"
    if days < 60:
        return f"{days // 7} weeks ago"
    return f"{days // 30} months ago" if days < 730 else f"{days // 365} years ago"


def finances(profile: Profile) -> Markup:
    """Return where the customer's money stands among the segment's: a bar of 100 customers, its middle half shaded."""
    compared = [one for found in profile.behaviour.values() for one in found if _place(one) is not None]
    if not compared:
        return Markup("")
    peers = f"the segment {format_name(profile.segment)}" if profile.segment else "all customers"
    about = Markup('<p class="muted">Among 100 of {}; the middle half is shaded</p>').format(peers)
    rows = join(_finance(one) for one in compared[:_NUM_FINANCES])
    return Markup('<div class="finances">{}<ul>{}</ul></div>').format(about, rows)


def _place(attribute: Attribute) -> float | None:
    """Return how many of 100 are below the customer: of the segment, or where there is none of all."""
    return attribute.percentile_overall if attribute.percentile is None else attribute.percentile


def _finance(attribute: Attribute) -> Markup:
    place = _place(attribute) or 0.0
    axis = Markup('<span class="axis" aria-hidden="true"><b></b><i style="left:{}%"></i></span>').format(f"{place:.1f}")
    spoken = Markup('<span class="visually-hidden">, above {} of 100</span>').format(f"{place:.0f}")
    row = '<li><span class="what">{}</span><span class="value">{}</span>{}{}</li>'
    return Markup(row).format(sentence_case(attribute.label), attribute.value, spoken, axis)


def timeline(data: VersionData, events: Sequence[Event], today: date) -> Markup:
    """Return what happened in the last two years on a line, and as a list for who cannot see it; '' for nothing."""
    if not events:
        return Markup("")
    first = today - timedelta(days=EVENT_DAYS)
    marks = join(
        Markup('<span class="{}" style="left:{}%" title="{}" aria-hidden="true">{}</span>').format(
            event.what.replace(" ", "-"),
            f"{100 * (event.day - first).days / EVENT_DAYS:.1f}",
            _told(data, event),
            _MARKS[event.what],
        )
        for event in events
    )
    listed = join(Markup("<li>{}</li>").format(_told(data, event)) for event in reversed(events))
    legend = ", ".join(f"{_MARKS[what]} {what}" for what in _MARKS if what in {event.what for event in events})
    markup = (
        '<div class="timeline"><div class="line">{}</div><p class="ends"><span>{}</span><span>{}</span></p>'
        "<details><summary>{} in two years <small>{}</small></summary><ul>{}</ul></details></div>"
    )
    count = f"{len(events)} event{'s' if len(events) > 1 else ''}"
    return Markup(markup).format(marks, f"{first:%b %Y}", f"{today:%b %Y}", count, legend, listed)


def _told(data: VersionData, event: Event) -> str:
    return f"{event.day:%d %b %Y}: {event.what} {data.product_names[event.product]}"

"""The tab of the customer's profile: the attributes compared with the segment's, and the products held and refused.

`profile_view`, `holdings_view` and `refused_view` are its views.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import gradio as gr
from gradio.components import Component
from markupsafe import Markup

from nextbest.data.windows import EPOCH
from nextbest.serving.formatting import MISSING, sentence_case
from nextbest.serving.insights.profiles import Attribute, Holding, Profile
from nextbest.ui.page.html import Column, empty_state, html, join, table
from nextbest.ui.page.tab import NO_CUSTOMER, Selection, SharedComponents, Updates
from nextbest.ui.page.version_data import VersionData

__all__ = ["ProfileTab", "holdings_view", "profile_view", "refused_view"]


class ProfileTab:
    """The customer compared with the segment."""

    id = "profile"
    depends_on_controls = False

    def __init__(self) -> None:
        with gr.Tab("Profile", id=self.id, elem_id="tab-profile") as self.tab:
            self.profile = html(NO_CUSTOMER, elem_id="profile-view")
            self.holdings = html("", elem_id="holdings")

    @property
    def outputs(self) -> Sequence[Component]:
        """See `Tab`."""
        return [self.profile, self.holdings]

    def content(self, data: VersionData, selection: Selection) -> Updates:
        """See `Tab`."""
        if not selection.customer:
            return {self.profile: NO_CUSTOMER, self.holdings: ""}
        request = data.request(selection.customer)
        profile = data.profiles.profile(request)
        today = EPOCH + timedelta(days=int(request["as_of_day"][0]))
        products = holdings_view(profile.holdings, today) + refused_view(profile.refused)
        return {self.profile: profile_view(profile), self.holdings: products}

    def connect(self, shared: SharedComponents) -> None:
        """See `Tab`; the tab has no controls of its own."""


def profile_view(profile: Profile) -> Markup:
    """Return the attributes compared with the segment: numbers by group, then dates, then the others."""
    about = f"Compared with {profile.segment_customers:,} customers of the segment {profile.segment}."
    if not profile.segment:
        about = f"There is no segment; {profile.customers:,} customers are known."
    groups = join(_comparison_table(heading, found) for heading, found in profile.behaviour.items())
    dates = [found for found in profile.attributes if found.role == "date"]
    others = [found for found in profile.attributes if found.role in ("category", "boolean", "text")]
    rows = [(sentence_case(found.label), sentence_case(found.value), _share(found)) for found in others]
    columns = [Column("Attribute"), Column("Value"), Column("Shared by")]
    return Markup('<p class="muted">{}</p><div class="groups">{}{}{}</div>').format(
        about,
        groups,
        _comparison_table("Dates", dates) if dates else "",
        Markup("<h3>Other attributes</h3>{}").format(table("Other attributes", columns, rows)) if rows else "",
    )


def _comparison_table(title: str, attributes: Sequence[Attribute]) -> Markup:
    columns = [
        Column("Attribute"),
        Column("Value", "number"),
        Column("Percentile", "number", "how many of 100 customers of the segment are below"),
        Column("Middle half of the segment", "number"),
    ]
    rows = [(sentence_case(found.label), found.value, _percentile(found), _middle_half(found)) for found in attributes]
    return Markup("<h3>{}</h3>{}").format(title, table(title, columns, rows))


def _percentile(attribute: Attribute) -> str:
    """Return the percentile on a bar from 0 to 100, whose middle half is shaded."""
    if attribute.percentile is None:
        return MISSING
    axis = '<span class="axis" aria-hidden="true"><b></b><i style="left:{}%"></i></span>'
    markup = f'<span class="percentile">{axis}<span class="place">{{}}</span></span>'
    return Markup(markup).format(f"{attribute.percentile:.1f}", f"{attribute.percentile:.0f}")


def _share(attribute: Attribute) -> str:
    share, peers = attribute.share, "the segment"
    if share is None:
        share, peers = attribute.share_overall, "all customers"
    if share is None:
        return MISSING
    percentage = f"{share:.0%}"
    return f"{'under 1%' if share and percentage == '0%' else percentage} of {peers}"


def _middle_half(attribute: Attribute) -> str:
    """Return the first and the third quartile, with the unit once."""
    if attribute.quartiles is None:
        return MISSING
    low, _, high = attribute.quartiles
    _, space, unit = high.rpartition(" ")
    return f"{low.removesuffix(space + unit) if space else low} to {high}"


def holdings_view(holdings: Sequence[Holding], today: date) -> Markup:
    """Return what is held, the newest first, each with a bar from its first day to the day of the answer."""
    if not holdings:
        return empty_state("Nothing is held", "The customer holds no product that the export knows of.")
    days = [found.since for found in holdings if found.since is not None]
    first = min(days, default=today)
    span = max((today - first).days, 1)
    has_categories = any(found.category for found in holdings)
    columns = [
        Column("Product"),
        *([Column("Category")] if has_categories else []),
        Column("Since"),
        Column(f"{first:%b %Y} to {today:%b %Y}", "chart"),
    ]
    rows = [
        (
            found.name,
            *([sentence_case(found.category) or MISSING] if has_categories else []),
            MISSING if found.since is None else f"{found.since:%d %b %Y}",
            MISSING if found.since is None else _span((found.since - first).days / span),
        )
        for found in holdings
    ]
    return Markup("<h3>Holdings</h3>{}").format(table("Products held, the newest first", columns, rows))


def refused_view(refused: Sequence[Holding]) -> Markup:
    """Return what was refused lately, the newest first; nothing where nothing was."""
    if not refused:
        return Markup("")
    rows = [(found.name, MISSING if found.since is None else f"{found.since:%d %b %Y}") for found in refused]
    shown = table("Products refused, the newest first", [Column("Product"), Column("On")], rows)
    return Markup("<h3>Refused lately</h3>{}").format(shown)


def _span(start: float) -> Markup:
    markup = '<span class="span" aria-hidden="true"><i style="left:{}%"></i></span>'
    return Markup(markup).format(f"{100 * min(max(start, 0.0), 0.99):.1f}")

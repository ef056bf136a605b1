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
from nextbest.serving.formatting import (
    MISSING,
    format_date,
    format_month,
    format_percentage,
    sentence_case,
)
from nextbest.serving.insights.profiles import Attribute, Holding, Profile
from nextbest.serving.language import say
from nextbest.ui.page.html import Column, empty_state, html, join, label, table
from nextbest.ui.page.tab import Selection, SharedComponents, Updates, no_customer
from nextbest.ui.page.version_data import VersionData

__all__ = ["ProfileTab", "holdings_view", "profile_view", "refused_view"]


class ProfileTab:
    """The customer compared with the segment."""

    id = "profile"
    depends_on_controls = False

    def __init__(self) -> None:
        with gr.Tab(label("label-tab-profile"), id=self.id, elem_id="tab-profile") as self.tab:
            self.profile = html("", elem_id="profile-view")
            self.holdings = html("", elem_id="holdings")

    @property
    def outputs(self) -> Sequence[Component]:
        """See `Tab`."""
        return [self.profile, self.holdings]

    def content(self, data: VersionData, selection: Selection) -> Updates:
        """See `Tab`."""
        if not selection.customer:
            return {self.profile: no_customer(), self.holdings: ""}
        request = data.request(selection.customer)
        profile = data.profiles.profile(request)
        today = EPOCH + timedelta(days=int(request["as_of_day"][0]))
        products = holdings_view(profile.holdings, today) + refused_view(profile.refused)
        return {self.profile: profile_view(profile), self.holdings: products}

    def connect(self, shared: SharedComponents) -> None:
        """See `Tab`; the tab has no controls of its own."""


def profile_view(profile: Profile) -> Markup:
    """Return the attributes compared with the segment: numbers by group, then dates, then the others."""
    about = say("profile-compared", count=profile.segment_customers, segment=profile.segment)
    if not profile.segment:
        about = say("profile-no-segment", count=profile.customers)
    groups = join(
        _comparison_table(say("profile-group", group=str(found[0].group)), found)
        for found in profile.behaviour.values()
    )
    dates = [found for found in profile.attributes if found.role == "date"]
    others = [found for found in profile.attributes if found.role in ("category", "boolean", "text")]
    rows = [(sentence_case(found.label), sentence_case(found.value), _share(found)) for found in others]
    others_title = say("profile-others")
    columns = [Column(say("profile-attribute")), Column(say("profile-value")), Column(say("profile-shared-by"))]
    return Markup('<p class="muted">{}</p><div class="groups">{}{}{}</div>').format(
        about,
        groups,
        _comparison_table(say("profile-group", group="dates"), dates) if dates else "",
        Markup("<h3>{}</h3>{}").format(others_title, table(others_title, columns, rows)) if rows else "",
    )


def _comparison_table(title: str, attributes: Sequence[Attribute]) -> Markup:
    columns = [
        Column(say("profile-attribute")),
        Column(say("profile-value"), "number"),
        Column(say("profile-percentile"), "number", say("profile-percentile-note")),
        Column(say("profile-middle-half"), "number"),
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
    share, peers = attribute.share, "segment"
    if share is None:
        share, peers = attribute.share_overall, "all"
    if share is None:
        return MISSING
    is_tiny = 0 < round(100 * share, 6) <= 0.5
    percentage = say("profile-under", share=format_percentage(0.01)) if is_tiny else format_percentage(share)
    return say("profile-share", share=percentage, peers=peers)


def _middle_half(attribute: Attribute) -> str:
    """Return the first and the third quartile, with the unit once."""
    if attribute.quartiles is None:
        return MISSING
    low, _, high = attribute.quartiles
    _, space, unit = high.rpartition(" ")
    return say("range", low=low.removesuffix(space + unit) if space else low, high=high)


def holdings_view(holdings: Sequence[Holding], today: date) -> Markup:
    """Return what is held, the newest first, each with a bar from its first day to the day of the answer."""
    if not holdings:
        return empty_state(say("nothing-held"), say("nothing-held-more"))
    days = [found.since for found in holdings if found.since is not None]
    first = min(days, default=today)
    span = max((today - first).days, 1)
    has_categories = any(found.category for found in holdings)
    columns = [
        Column(say("column-product")),
        *([Column(say("column-category"))] if has_categories else []),
        Column(say("column-since")),
        Column(say("range", low=format_month(first), high=format_month(today)), "chart"),
    ]
    rows = [
        (
            found.name,
            *([sentence_case(found.category) or MISSING] if has_categories else []),
            MISSING if found.since is None else format_date(found.since),
            MISSING if found.since is None else _span((found.since - first).days / span),
        )
        for found in holdings
    ]
    return Markup("<h3>{}</h3>{}").format(say("holdings"), table(say("holdings-caption"), columns, rows))


def refused_view(refused: Sequence[Holding]) -> Markup:
    """Return what was refused lately, the newest first; nothing where nothing was."""
    if not refused:
        return Markup("")
    rows = [(found.name, MISSING if found.since is None else format_date(found.since)) for found in refused]
    columns = [Column(say("column-product")), Column(say("column-on"))]
    return Markup("<h3>{}</h3>{}").format(say("refused-lately"), table(say("refused-caption"), columns, rows))


def _span(start: float) -> Markup:
    markup = '<span class="span" aria-hidden="true"><i style="left:{}%"></i></span>'
    return Markup(markup).format(f"{100 * min(max(start, 0.0), 0.99):.1f}")

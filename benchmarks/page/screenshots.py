"""Pictures of every tab of the page, light, dark and narrow."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from benchmarks.page.browser import browser, choose, reach
from benchmarks.page.process import Served, opened_page, served
from nextbest.data.errors import InputError, Problem, quote_value
from nextbest.ui.page.config import PageConfig

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

__all__ = ["LOOKS", "TABS", "allowed_by", "changed_number", "first_customer", "screenshots", "write_customers"]

_LEAST_HELD = 3
_LEAST_ALLOWED = 5
_BATCH = 40
"""Customers of the scored file."""
_PORT = PageConfig().port
"""The usual one, since the page shows its address."""
_COLOURS = 256
"""Of a picture's palette."""
_TALLEST = 2600
"""A picture is cut off below so many pixels."""


@dataclass(frozen=True)
class Look:
    """How the page is looked at."""

    name: str
    width: int
    height: int
    scheme: Literal["light", "dark"] = "light"


LOOKS = (Look("light", 1280, 800), Look("dark", 1280, 800, "dark"), Look("narrow", 390, 844))


@dataclass(frozen=True)
class Content:
    """What the pictures show."""

    customer: str
    change: tuple[str, str]
    """The attribute that the comparison changes, and its new value."""
    file: Path
    """The customers that the batch scores."""


def _compare(page: Page, content: Content) -> None:
    column, value = content.change
    page.locator(f"#field-{column} input").fill(value)
    page.locator(f"#field-{column} input").press("Tab")
    page.locator("#compare").click()
    page.locator("#comparison .compared").wait_for()


def _score(page: Page, content: Content) -> None:
    page.locator("#batch-file input[type=file]").set_input_files(content.file)
    page.locator("#batch-file").get_by_text(content.file.name).first.wait_for()
    page.locator("#batch-rows table").wait_for()
    page.locator("#batch-run").click()
    page.locator("#batch-download").wait_for()


def _choose_product(page: Page, content: Content) -> None:
    page.locator("#by-product-choice input").click()
    page.get_by_role("option").first.click()
    page.locator("#people .reasons li").first.wait_for()


def _as_it_is(page: Page, content: Content) -> None:
    """Look at the tab as it is."""


@dataclass(frozen=True)
class Tab:
    """A tab, and how it comes to show what is in the picture."""

    id: str
    title: str
    ready: str
    """What is seen when it has what it shows about a customer."""
    use: Callable[[Page, Content], None] = _as_it_is


TABS: Mapping[str, Tab] = {
    "desk": Tab("desk", "Desk", ".product-card .reasons li >> nth=0"),
    "profile": Tab("profile", "Profile", "#holdings table"),
    "why": Tab("why", "Why", "#why-view .waterfall"),
    "neighbourhood": Tab("neighbourhood", "Neighbourhood", "#map .main-svg"),
    "what-if": Tab("whatif", "What if", "#compare", _compare),
    "by-product": Tab("by-product", "By product", "#people :is(.empty-state, .sentence)", _choose_product),
    "models": Tab("models", "Models", "#model-report table"),
    "batch": Tab("batch", "Batch", "#batch-run", _score),
    "service": Tab("service", "As a service", "#example code"),
}
"""What the picture is called -> the tab."""


def screenshots(models: Path, out: Path, customer: str | None = None) -> list[Path]:
    """Open the page, and take a picture of every tab in every look.

    Args:
        models: The served models.
        out: The folder of the pictures, NAME-LOOK.png; those of the same name are replaced.
        customer: Who is shown, by default the first with enough holdings and products.

    Returns:
        The pictures.

    Raises:
        FailedError: The page does not open.
        InputError: Chromium or Playwright is not installed, or there is no such customer.
    """
    about = served(models)
    if customer is not None and customer not in about.customers.ids:
        remedy = f"its customers have ids like {', '.join(about.customers.ids[:2])}"
        raise InputError(
            [Problem(str(about.folder), None, None, f"there is no customer {quote_value(customer)}", remedy)]
        )
    out.mkdir(parents=True, exist_ok=True)
    written = []
    with opened_page(models, _PORT) as opened, TemporaryDirectory() as folder, browser() as chromium:
        file = Path(folder) / "customers.csv"
        write_customers(about, about.customers.ids[:_BATCH], file)
        chosen = customer or first_customer(about, _LEAST_HELD, _LEAST_ALLOWED, allowed_by(opened.address))
        content = Content(chosen, changed_number(about, chosen), file)
        for look in LOOKS:
            with _page(chromium, look) as page:
                reach(page, opened.address)
                choose(page, content.customer)
                for name, tab in TABS.items():
                    _visit(page, tab)
                    tab.use(page, content)
                    written.append(_picture(page, out / f"{name}-{look.name}.png"))
    return written


HELD = "held_products"


def first_customer(served: Served, least_held: int, least_allowed: int, allowed: Callable[[str], int]) -> str:
    """Return the first customer of the export with much to show.

    Args:
        served: The export.
        least_held: So many holdings at least.
        least_allowed: So many products at least that may be recommended.
        allowed: How many may be, at most `least_allowed`, by customer; asked for as few customers as possible.

    Raises:
        InputError: There is no such customer.
    """
    held = (served.customers.columns[HELD] != "").sum(axis=1)
    for customer in served.customers.ids[held >= least_held]:
        if allowed(str(customer)) >= least_allowed:
            return str(customer)
    what = f"no customer holds {least_held} products and may be recommended {least_allowed}"
    raise InputError([Problem(str(served.folder), None, None, what, "name one with --customer")])


def write_customers(served: Served, ids: Iterable[str], path: Path) -> None:
    """Write customers of the export as the CSV that the page and `nextbest score` read."""
    described = served.manifest["customers"]
    columns = {name: column for name, column in described["columns"].items() if name in served.customers.columns}
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow([described["id"], *columns])
        for customer in ids:
            (row,) = served.customers.positions(np.array([customer], object))
            cells = (_written(served.customers.columns[name][row], column["role"]) for name, column in columns.items())
            rows.writerow([customer, *cells])


def _written(value: Any, role: str) -> str:
    if isinstance(value, str):
        return value
    if not np.isfinite(value):
        return ""
    if role == "date":
        return str(np.datetime64(int(value), "D"))
    if role == "boolean":
        return "true" if value else "false"
    return str(value)


def allowed_by(address: str) -> Callable[[str], int]:
    """Return a function that asks the page how many products it recommends to a customer, up to what is needed."""
    from gradio_client import Client

    client = Client(address, verbose=False, analytics_enabled=False)

    def allowed(customer: str) -> int:
        answer = client.predict(customer_id=customer, top=_LEAST_ALLOWED, api_name="/recommend")
        return len(answer["products"])

    return allowed


def changed_number(about: Served, customer: str) -> tuple[str, str]:
    """Return a change that moves the answer: of what may be changed, the first number that rules read."""
    columns = about.manifest["customers"]["columns"]
    ruled = [rule["customer"] for rule in about.manifest["policy"]["rules"]]
    editable = [name for name in columns if columns[name].get("editable")] or list(columns)
    numbers = [name for name in editable if columns[name]["role"] == "number"]
    column = next((name for name in ruled if name in numbers), numbers[0])
    values = about.customers.columns[column]
    (value,) = values[about.customers.ids == customer]
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    return column, f"{high if abs(high - value) > abs(value - low) else low:g}"


@contextmanager
def _page(chromium: Browser, look: Look) -> Iterator[Page]:
    context = chromium.new_context(
        viewport={"width": look.width, "height": look.height},
        color_scheme=look.scheme,
        reduced_motion="reduce",
        locale="en-GB",
        timezone_id="UTC",
    )
    try:
        yield context.new_page()
    finally:
        context.close()


def _visit(page: Page, tab: Tab) -> None:
    """Look at a tab, which may be in the menu of those without room."""
    button = page.locator(f"#tab-{tab.id}-button")
    if not button.is_visible():
        page.locator(".overflow-menu > button").click()
        button = page.locator(".overflow-dropdown").get_by_role("button", name=tab.title, exact=True)
    button.click()
    page.locator(tab.ready).first.wait_for()


def _picture(page: Page, path: Path) -> Path:
    """Take a picture when nothing is on its way any more, with few colours, which makes it small."""
    from PIL import Image

    page.locator(".pending, .generating").first.wait_for(state="detached")
    page.mouse.move(0, 0)
    page.evaluate("() => { document.activeElement.blur(); scrollTo(0, 0); }")
    png = page.screenshot(full_page=True, animations="disabled", caret="hide")
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    cropped = picture.crop((0, 0, picture.width, min(picture.height, _TALLEST)))
    # A palette by how often colours are would give the small dots of a legend one and the same.
    cropped.quantize(_COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(path, optimize=True)
    return path

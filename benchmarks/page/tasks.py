"""What an adviser does most often, done in a browser as a user does it: clicks and seconds until the answer is seen."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from benchmarks.page.browser import browser, reach
from benchmarks.page.process import opened_page, served
from benchmarks.page.screenshots import allowed_by, changed_number, first_customer, write_customers

if TYPE_CHECKING:
    from playwright.sync_api import Page

__all__ = ["TASKS", "Task", "TaskFigures", "User", "markdown", "spoil", "tasks"]

_ROWS, _BAD_ROW = 12, 7
"""Of the uploaded file, and which of them cannot be read, from 1."""
_LEAST_PRODUCTS = 5
_LONGEST_MS = 60_000
"""An answer that takes longer is a failure."""


@dataclass(frozen=True)
class Subject:
    """What the tasks are about."""

    customer: str
    column: str
    value: str
    """What the column is changed to."""
    file: Path
    line: int
    """Of the file, that cannot be read, from 1."""


class User:
    """Clicks and types on the page, and counts it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.clicks = self.typed = 0

    def click(self, selector: str) -> None:
        """Click on something, as soon as it can be."""
        self.page.locator(selector).click()
        self.clicks += 1

    def look(self, tab: str) -> None:
        """Click on a tab, which may be in the menu of those without room."""
        button = self.page.locator(f"#tab-{tab}-button")
        if button.is_visible():
            return self.click(f"#tab-{tab}-button")
        self.click(".overflow-menu > button")
        return self.click(f'.overflow-dropdown button:text-is("{(button.text_content() or "").strip()}")')

    def type(self, text: str) -> None:
        """Type a text in place of what is in the field that was clicked."""
        self.page.keyboard.press("Control+A")
        self.page.keyboard.type(text)
        self.typed += 1

    def give(self, selector: str, file: Path) -> None:
        """Click on a field for files, and choose one in the browser's own window."""
        with self.page.expect_file_chooser() as chooser:
            self.click(selector)
        chooser.value.set_files(file)

    def see(self, selector: str, text: str = "") -> None:
        """Wait until the answer is seen."""
        self.page.locator(selector).filter(has_text=text).first.wait_for()


@dataclass(frozen=True)
class Task:
    """What a user wants to know, and how it is found where the task before it has ended."""

    name: str
    most_clicks: int
    do: Callable[[User, Subject], None]


@dataclass(frozen=True)
class TaskFigures:
    """What a task cost."""

    task: Task
    clicks: int
    typed: int
    """Texts that were typed."""
    seconds: float
    """Until the answer was seen; the user's own time to read and to think is not in it."""


def _find(user: User, subject: Subject) -> None:
    user.click("#customer-input")
    user.type(subject.customer)
    user.click(f'#customer-list [role=option]:text-is("{subject.customer}")')
    user.see("#customer-card h2", subject.customer)
    user.see(f'.cards[data-of-customer="{subject.customer}"] .product-card')


def _read_why(user: User, subject: Subject) -> None:
    user.click(".product-card .pick >> nth=1")
    user.see("#why-view .sentence")
    user.see("#why-view caption", "2. ")


def _change(user: User, subject: Subject) -> None:
    user.look("whatif")
    user.click(f"#field-{subject.column} input")
    user.type(subject.value)
    user.click("#compare")
    user.see("#comparison .compared")


def _score(user: User, subject: Subject) -> None:
    user.look("batch")
    user.give("#batch-file button >> nth=0", subject.file)
    user.see("#batch-rows td", f"line {subject.line}")


def _print(user: User, subject: Subject) -> None:
    """Print the desk; what is printed is the same page, as the style for paper shows it."""
    user.page.evaluate("window.print = () => { window.printed = true; }")  # its window would wait for the user
    user.look("desk")
    user.click("#print")
    user.page.wait_for_function("window.printed")
    user.page.emulate_media(media="print")
    user.see("#sheet", subject.customer)
    user.page.emulate_media(media="screen")


TASKS: Sequence[Task] = (
    Task("find a customer", 2, _find),
    Task("read why the second product", 2, _read_why),
    Task("see what another income changes", 3, _change),
    Task("score a file with a bad row and learn which row", 3, _score),
    Task("print", 2, _print),
)
"""In the order in which one person does them, without a reload."""


def tasks(models: Path) -> list[TaskFigures]:
    """Open the page, and do all tasks in Chromium.

    Args:
        models: The served models.

    Raises:
        FailedError: The page does not open.
        InputError: Chromium or Playwright is not installed, or no customer has enough to show.
    """
    about = served(models)
    with opened_page(models) as opened, TemporaryDirectory() as folder, browser() as chromium:
        customer = first_customer(about, 1, _LEAST_PRODUCTS, allowed_by(opened.address))
        column, value = changed_number(about, customer)
        file = Path(folder) / "customers.csv"
        write_customers(about, about.customers.ids[:_ROWS], file)
        spoil(file, column, _BAD_ROW)
        page = chromium.new_page(viewport={"width": 1280, "height": 800}, locale="en-GB", reduced_motion="reduce")
        page.set_default_timeout(_LONGEST_MS)
        reach(page, opened.address)
        page.locator("#samples button").first.wait_for()
        subject = Subject(customer, column, value, file, _BAD_ROW + 1)  # the first line holds the names
        return [_measure(task, page, subject) for task in TASKS]


def spoil(file: Path, column: str, row: int) -> None:
    """Put a word where a number must be.

    Args:
        file: A CSV with a header.
        column: Of numbers.
        row: Which one, from 1; the header is none.
    """
    with file.open(encoding="utf-8", newline="") as read:
        rows = list(csv.reader(read))
    rows[row][rows[0].index(column)] = "a lot"
    with file.open("w", encoding="utf-8", newline="") as written:
        csv.writer(written).writerows(rows)


def _measure(task: Task, page: Page, subject: Subject) -> TaskFigures:
    user = User(page)
    began = time.perf_counter()
    task.do(user, subject)
    return TaskFigures(task, user.clicks, user.typed, time.perf_counter() - began)


def markdown(found: Sequence[TaskFigures]) -> str:
    """Return the figures as a table in Markdown."""
    lines = ["| task | clicks asked | clicks | texts typed | seconds |", "|---|---|---|---|---|"]
    for one in found:
        cells = [one.task.name, one.task.most_clicks, one.clicks, one.typed, f"{one.seconds:.1f}"]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines) + "\n"

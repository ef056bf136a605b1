"""The tab that scores a file of customers, as `nextbest score` does.

What is uploaded is read at once and told back; nothing is scored before its button is used. `score_file` writes the
answer, which the service uses too.
"""

from __future__ import annotations

import tempfile
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import takewhile
from pathlib import Path
from shutil import rmtree
from time import perf_counter
from typing import Any

import gradio as gr
import pyarrow as pa
from gradio.components import Component
from markupsafe import Markup

from nextbest.data.errors import FailedError, InputError, Problem
from nextbest.data.files import write_text
from nextbest.serving.backends import BackendError
from nextbest.serving.language import say
from nextbest.serving.makers import makers_path
from nextbest.serving.recommendation_files import recommendation_schema
from nextbest.serving.recommender import Filters
from nextbest.serving.scoring import score_in_chunks
from nextbest.ui.page.batch_report import (
    Batch,
    Scoring,
    first_customers,
    first_recommendations,
    left_out,
    progress,
    read_batch,
    scored,
    understood,
)
from nextbest.ui.page.config import PageConfig
from nextbest.ui.page.controls import describe_filters
from nextbest.ui.page.html import (
    alert,
    count_problems,
    csv_text,
    empty_state,
    html,
    label,
    problem_rows,
    problem_table,
)
from nextbest.ui.page.tab import (
    Selection,
    SharedComponents,
    Updates,
    in_readers_language,
    listen,
    make_upload,
    show_errors,
)
from nextbest.ui.page.version_data import VersionData

__all__ = ["BATCHES", "FORMATS", "BatchTab", "score_file"]

BATCHES = "batch"
"""The name of the queue that the page's batches and the service's share."""
FORMATS = {"CSV": ".csv", "Parquet": ".parquet", "Excel": ".xlsx"}
"""The formats of the answer -> the endings of its file."""
_TABLES = [".csv", ".gz", ".parquet"]
_SCORE = "label-batch-run"


class BatchTab:
    """Scores a file of customers."""

    id = "batch"
    depends_on_controls = True

    def __init__(self, config: PageConfig) -> None:
        with gr.Tab(label("label-tab-batch"), id=self.id, elem_id="tab-batch") as self.tab:
            self.about = html("")
            with gr.Row(elem_id="batch-form"):
                with gr.Column(scale=4, min_width=220):
                    self.file = make_upload(
                        label=label("label-batch-file") + f" {config.upload_megabytes} MB",
                        file_types=_TABLES,
                        height=120,
                        elem_id="batch-file",
                    )
                    self.template = html("", elem_id="batch-template")
                with gr.Column(scale=4, min_width=220):
                    self.holdings = make_upload(
                        label=label("label-batch-holdings"),
                        file_types=_TABLES,
                        height=120,
                        elem_id="batch-holdings",
                    )
                    self.hint = html("", elem_id="batch-hint")
                with gr.Column(scale=5, min_width=220):
                    self.format = gr.Radio(
                        list(FORMATS), value="CSV", label=label("label-batch-format"), elem_id="batch-format"
                    )
                    self.asked = html("", elem_id="batch-asked")
                    self.box = gr.Checkbox(
                        label=label("label-batch-all-the-same"),
                        info=label("label-batch-all-the-same-more"),
                        visible=False,
                        elem_id="batch-all-the-same",
                    )
                    with gr.Row():
                        self.run = gr.Button(
                            label(_SCORE), variant="primary", scale=3, min_width=100, elem_id="batch-run"
                        )
                        self.cancel = gr.Button(
                            label("label-batch-cancel"), visible=False, min_width=80, elem_id="batch-cancel"
                        )
            self.report = html("", elem_id="batch-report")
            with gr.Row():
                self.download = gr.DownloadButton(
                    str(label("label-batch-download")), visible=False, elem_id="batch-download"
                )
                self.makers = gr.DownloadButton(str(label("label-batch-makers")), visible=False, elem_id="batch-makers")
                self.problems = gr.DownloadButton(
                    str(label("label-batch-problems")), visible=False, elem_id="batch-problems"
                )
            self.rows = html("", elem_id="batch-rows")
            self.job = gr.State(0)  # of this tab: a child of the tabs would be counted as one
        self._wanted: dict[str | None, int] = {}
        """The open pages -> the number of the job that each waits for, from 1; negative where it was cancelled. What
        nobody waits for stops."""

    @property
    def outputs(self) -> Sequence[Component]:
        """See `Tab`; a batch is scored when its button is used."""
        return [self.about, self.asked, self.hint]

    def content(self, data: VersionData, selection: Selection) -> Updates:
        """See `Tab`."""
        filtered = describe_filters(data, selection.filters)
        by = say("batch-filters", filters=filtered) if filtered else say("batch-no-filter")
        customer = data.recommender.manifest["customers"]["id"]
        hint = say("batch-no-holdings", id=customer, product="product_id", since="since")
        text = Markup('<p class="muted">{}</p>')
        return {
            self.about: text.format(Markup(say("batch-about", command="<code>nextbest score</code>"))),
            self.asked: text.format(f"{say('batch-asked', top=selection.top)} {by}"),
            self.hint: text.format(hint),
        }

    def connect(self, shared: SharedComponents) -> None:
        """See `Tab`."""

        def greet(report: str) -> Updates:
            return {self.report: gr.skip() if report else _nothing_yet()}

        def understand(request: gr.Request, customers: str | None, holdings: str | None, all_the_same: bool) -> Updates:
            self._wanted.pop(request.session_hash, None)
            if customers is None:
                return self._show(_nothing_yet(), button=say(_SCORE))
            return shared.current.ask(lambda data: self._preview(data, *_paths(customers, holdings), all_the_same))

        def begin(request: gr.Request, job: int) -> Updates:
            self._wanted[request.session_hash] = job + 1
            return {self.job: job + 1, **self._show(_waiting(), running=True, box=gr.skip())}

        def cancel(request: gr.Request) -> Updates:
            if request.session_hash in self._wanted:
                self._wanted[request.session_hash] *= -1
            return self._show(_cancelled(), box=gr.skip())

        def run(
            request: gr.Request,
            job: int,
            customers: str | None,
            holdings: str | None,
            all_the_same: bool,
            file_format: str,
            *inputs: Any,
        ) -> Iterator[Updates]:
            page = request.session_hash

            def parts(data: VersionData) -> Iterator[Updates]:
                batch = read_batch(data, *_paths(str(customers), holdings), all_the_same)
                selection, rows = shared.selection(data, *inputs), shared.config.preview_rows
                with closing(self._score(data, batch, selection, FORMATS[file_format], rows)) as steps:
                    yield from takewhile(lambda _: self._wanted.get(page) == job, steps)

            try:
                if customers is None:
                    yield self._show(alert("warning", say("batch-no-file"), say("batch-no-file-do")))
                    return
                yield from shared.current.ask_in_parts(parts)
                if self._wanted.get(page) == -job:
                    yield self._show(_cancelled(), box=gr.skip())  # again, since the last progress may have come later
                elif self._wanted.get(page) != job:
                    yield {self.report: gr.skip()}  # gradio repeats the last part in the end, which nobody waits for
            except InputError as error:
                yield self._show_problems(error.problems, box=gr.skip())
            except (BackendError, FailedError) as error:
                yield self._show(alert("error", say("batch-failed"), str(error)))
            finally:
                if abs(self._wanted.get(page, 0)) == job:
                    del self._wanted[page]

        outputs = [self.report, self.rows, self.run, self.cancel, self.box, self.download, self.makers, self.problems]
        files = [self.file, self.holdings, self.box]
        begun = listen(self.run.click, begin, [self.job], [self.job, *outputs], queue=False, show_progress="hidden")
        begun.then(
            show_errors(in_readers_language(run)),
            [self.job, *files, self.format, *shared.inputs],
            outputs,
            api_visibility="private",
            concurrency_limit=shared.config.batch_concurrency,
            concurrency_id=BATCHES,
            show_progress="hidden",
            trigger_mode="multiple",
        )
        listen(self.tab.select, greet, [self.report], [self.report], show_progress="hidden")
        listen(self.cancel.click, cancel, [], outputs, queue=False, show_progress="hidden")
        given = [self.file.change, self.holdings.change, self.box.input]
        listen(given, understand, files, outputs, trigger_mode="always_last")

    def _preview(self, data: VersionData, customers: Path, holdings: Path | None, all_the_same: bool) -> Updates:
        """Show what was understood, or what is wrong, and offer to go on where that is possible."""
        try:
            batch = read_batch(data, customers, holdings, all_the_same)
        except InputError as error:
            can_go_on = not all_the_same and _is_readable(data, customers, holdings)
            return self._show_problems(error.problems, gr.Checkbox(False, visible=can_go_on))
        return self._show(
            understood(batch),
            left_out(batch) + first_customers(data, batch),
            button=say("batch-score", count=len(batch.ids)),
            problems=batch.left_out,
            box=gr.Checkbox(all_the_same, visible=all_the_same),
        )

    def _score(
        self, data: VersionData, batch: Batch, selection: Selection, ending: str, preview_rows: int
    ) -> Generator[Updates]:
        """Show how far it is, and in the end what came out."""
        total = len(batch.ids)
        yield self._show(progress(0, total, 0.0), running=True, box=gr.skip())
        with closing(score_file(data, batch, selection.top, ending, selection.filters, preview_rows)) as results:
            for result in results:
                if result.file is None:
                    yield {self.report: progress(result.customers, total, result.seconds)}
                else:
                    yield self._show(
                        scored(batch, result, describe_filters(data, selection.filters)),
                        left_out(batch) + first_recommendations(data, result.first),
                        file=result.file,
                        problems=batch.left_out,
                        box=gr.skip(),
                    )

    def _show_problems(self, problems: Sequence[Problem], box: Any) -> Updates:
        count, file = count_problems(problems), Path(problems[0].file).name
        title = alert("error", say("batch-unusable", file=file, count=count))
        return self._show(title, problem_table(problems), button=say(_SCORE), problems=problems, box=box)

    def _show(
        self,
        report: Markup,
        rows: Markup | str = "",
        *,
        running: bool = False,
        button: str | None = None,
        file: Path | None = None,
        problems: Sequence[Problem] = (),
        box: Any = None,
    ) -> Updates:
        """Show a state of the tab.

        Args:
            report: What is told.
            rows: A table below it.
            running: Whether a file is being scored, which can be cancelled.
            button: What the button says; None leaves it.
            file: What can be downloaded, and with it by what it was made.
            problems: What can be downloaded too.
            box: What happens to the box Score all the same; by default it goes.
        """
        return {
            self.report: report,
            self.rows: rows,
            self.run: gr.Button(interactive=not running) if button is None else gr.Button(button, interactive=True),
            self.cancel: gr.Button(visible=running),
            self.download: _offer(file),
            self.makers: _offer(None if file is None else makers_path(file)),
            self.problems: _offer(_problems_file(problems) if problems else None),
            self.box: gr.Checkbox(False, visible=False) if box is None else box,
        }


def _nothing_yet() -> Markup:
    return empty_state(say("batch-nothing-yet"), say("batch-nothing-yet-do"))


def _waiting() -> Markup:
    return alert("info", say("batch-waiting"), say("batch-waiting-more"))


def _cancelled() -> Markup:
    return alert("warning", say("batch-cancelled"), say("batch-cancelled-more"))


def _paths(customers: str, holdings: str | None) -> tuple[Path, Path | None]:
    return Path(customers), Path(holdings) if holdings else None


def _offer(file: Path | None) -> gr.DownloadButton:
    return gr.DownloadButton(value=None if file is None else str(file), visible=file is not None)


def _is_readable(data: VersionData, customers: Path, holdings: Path | None) -> bool:
    """Return whether something of the files can be scored all the same."""
    try:
        read_batch(data, customers, holdings, all_the_same=True)
    except InputError:
        return False
    return True


def score_file(
    data: VersionData, batch: Batch, top: int, ending: str, filters: Filters, preview_rows: int = 0
) -> Generator[Scoring]:
    """Score customers into a new file of the upload folder. Who closes the iterator stops the work, and leaves nothing.

    Args:
        data: The version that recommends.
        batch: The customers.
        top: How many products per customer at most.
        ending: '.csv', '.parquet' or '.xlsx'.
        filters: Narrow what is recommended.
        preview_rows: How many rows to keep for a preview.

    Yields:
        How far it is after each chunk, and in the end what came out, with the file.

    Raises:
        InputError: The file's format cannot hold so many rows.
    """
    folder, begun = _new_folder(), perf_counter()
    out = folder / f"recommendations{ending}"
    done = Scoring(0, 0, recommendation_schema().empty_table(), 0.0)
    try:
        for chunk in score_in_chunks(data.recommender, batch.ids, batch.requests, out, top, filters):
            found = chunk.recommendations
            done = Scoring(
                done.customers + chunk.customers,
                done.recommendations + found.num_rows,
                pa.concat_tables([done.first, found.slice(0, preview_rows - done.first.num_rows)]),
                perf_counter() - begun,
            )
            yield done
        yield replace(done, file=out)
    except BaseException:
        rmtree(folder, ignore_errors=True)
        raise


def _problems_file(problems: Sequence[Problem]) -> Path:
    file = _new_folder() / "problems.csv"
    write_text(file, csv_text(problem_rows(problems)))
    return file


def _new_folder() -> Path:
    """Return a new folder in that of uploads and answers, whose files gradio serves (see `ui.page.server`)."""
    uploads = Path(gr.utils.get_upload_folder())
    uploads.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(dir=uploads))

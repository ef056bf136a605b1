"""The tab that scores a file of customers, as `nextbest score` does.

`score_file` writes the answer, which the service uses too, and `preview` shows its first rows.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gradio as gr
import pandas as pd
from gradio.components import Component
from markupsafe import Markup

from nextbest.data.errors import InputError
from nextbest.serving.formatting import format_probability, format_similarity
from nextbest.serving.input_report import InputLimits, InputReport, check_input, describe_input
from nextbest.serving.recommender import Filters
from nextbest.serving.requests import requests_from_file
from nextbest.serving.scoring import RECOMMENDATION_COLUMNS, score
from nextbest.ui.page.config import PageConfig
from nextbest.ui.page.controls import describe_filters
from nextbest.ui.page.html import Column, alert, empty_state, html, problem_report, table
from nextbest.ui.page.tab import Selection, SharedComponents, Updates, listen, make_upload
from nextbest.ui.page.version_data import VersionData

__all__ = ["BATCHES", "FORMATS", "BatchTab", "preview", "score_file"]

BATCHES = "batch"
"""The name of the queue that the page's batches and the service's share."""
FORMATS = {"CSV": ".csv", "Parquet": ".parquet"}
"""The formats of the answer -> the endings of its file."""
_PROGRESS = gr.Progress()
_ABOUT = Markup(
    '<p class="muted">Scores every customer of a file, as <code>nextbest score</code> does. '
    "The holdings of known customers come from the export; the number of products and the filters above hold.</p>"
)
_NOTHING_YET = empty_state(
    "No file is scored yet", "Upload customers, a row each; the columns are those of the template."
)


class BatchTab:
    """Scores a file of customers."""

    id = "batch"
    depends_on_controls = False

    def __init__(self, config: PageConfig) -> None:
        with gr.Tab("Batch", id=self.id, elem_id="tab-batch") as self.tab:
            html(_ABOUT)
            with gr.Row():
                with gr.Column(min_width=280):
                    self.file = make_upload(
                        label=f"Customers, CSV or Parquet, up to {config.upload_megabytes} MB",
                        file_types=[".csv", ".gz", ".parquet"],
                        height=140,
                        elem_id="batch-file",
                    )
                    self.template = html("", elem_id="batch-template")
                with gr.Column(min_width=280):
                    self.format = gr.Radio(list(FORMATS), value="CSV", label="Format", elem_id="batch-format")
                    self.run = gr.Button("Score the file", variant="primary", elem_id="batch-run")
            self.report = html(_NOTHING_YET, elem_id="batch-report")
            self.download = gr.DownloadButton("Download", visible=False, elem_id="batch-download")

    @property
    def outputs(self) -> Sequence[Component]:
        """See `Tab`; a batch is scored when its button is used."""
        return []

    def content(self, data: VersionData, selection: Selection) -> Updates:
        """See `Tab`."""
        return {}

    def connect(self, shared: SharedComponents) -> None:
        """See `Tab`."""

        def run(path: str | None, file_format: str, progress: gr.Progress = _PROGRESS, *inputs: Any) -> Updates:
            if path is None:
                return self._show(alert("warning", "No file yet.", "Upload customers first."))

            def advance(done: int, total: int) -> None:
                progress((done, total), desc="Scoring", unit="customers")

            def score_and_show(data: VersionData) -> Updates:
                selection = shared.selection(data, *inputs)
                file, ending = Path(path), FORMATS[file_format]
                out, report, written = score_file(data, file, selection.top, ending, selection.filters, advance)
                filtered = describe_filters(data, selection.filters)
                told = f"{written:,} recommendations{f' ({filtered})' if filtered else ''}."
                count = alert("good", f"{report.customers:,} customers scored:", told)
                notes = Markup("").join(alert("info", "Please check:", f"{line}.") for line in report.lines())
                first_rows = preview(data, out, shared.config.preview_rows)
                return self._show(Markup("{}{}{}").format(count, notes, first_rows), str(out))

            try:
                return shared.current.ask(score_and_show)
            except InputError as error:
                return self._show(problem_report(error.problems))

        listen(
            self.run.click,
            run,
            [self.file, self.format, *shared.inputs],
            [self.report, self.download],
            concurrency_limit=shared.config.batch_concurrency,
            concurrency_id=BATCHES,
            show_progress="full",
        )

    def _show(self, report: Markup, file: str | None = None) -> Updates:
        return {self.report: report, self.download: gr.DownloadButton(value=file, visible=file is not None)}


def score_file(
    data: VersionData,
    path: Path,
    top: int,
    ending: str,
    filters: Filters,
    advance: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[Path, InputReport, int]:
    """Score a file into a new one of the upload folder.

    Args:
        data: The version that recommends.
        path: The customers.
        top: How many products per customer at most.
        ending: '.csv' or '.parquet'.
        filters: Narrow what is recommended.
        advance: Called with the number of scored customers, and of all.

    Returns:
        The file, what was strange about the customers, and how many recommendations were written.

    Raises:
        InputError: With all problems of the file, or since too much in it is unknown.
    """
    ids, requests = requests_from_file(data.recommender, path)
    report = describe_input(data.recommender, ids, requests)
    check_input(report, InputLimits(), path)
    done = 0

    def count(customers: int) -> None:
        nonlocal done
        done += customers
        advance(done, len(ids))

    # Gradio serves files of its temporary folder, which is the page's own (see `ui.page.server`).
    out = Path(tempfile.mkdtemp(dir=upload_folder())) / f"recommendations{ending}"
    written = score(data.recommender, ids, requests, out, top, filters, count)
    return out, report, written


def upload_folder() -> str:
    """Return the folder of uploads and answers, and make it where it is not there yet."""
    folder = Path(gr.utils.get_upload_folder())
    folder.mkdir(parents=True, exist_ok=True)
    return str(folder)


def preview(data: VersionData, path: Path, rows: int) -> Markup:
    """Return the first rows of a scored file."""
    if path.suffix == ".csv":
        # Ids are strings, also where they look like numbers.
        found = pd.read_csv(path, nrows=rows, dtype={"customer_id": str, "product_id": str}, keep_default_na=False)
    else:
        import pyarrow.parquet as pq

        first = next(pq.ParquetFile(path).iter_batches(rows), None)
        found = pd.DataFrame(columns=RECOMMENDATION_COLUMNS) if first is None else first.to_pandas()
    columns = [
        Column("Customer"),
        Column("Rank", "number"),
        Column("Product"),
        Column("Probability", "number"),
        Column("Similarity", "number"),
        Column("Before", "number"),
    ]
    scored: Any = found.itertuples(index=False)  # named tuples, whose names the type checker does not know
    cells = [
        (
            str(row.customer_id),
            str(row.rank),
            str(data.product_names[data.product_rows[row.product_id]]),
            format_probability(row.probability),
            format_similarity(row.similarity),
            str(row.retrieval_rank),
        )
        for row in scored
    ]
    return table(f"The first {len(cells)} recommendations of the file", columns, cells, hide_caption=False)

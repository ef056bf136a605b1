"""Batch scoring: customers in chunks to a CSV, Parquet or Excel file, which appears whole."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from nextbest.data.dataset import Array, Features
from nextbest.data.files import new_file
from nextbest.serving.insights.reasons import ReasonExplainer, why_sentences
from nextbest.serving.makers import makers_of, makers_path, makers_text
from nextbest.serving.recommendation_files import check_output, open_writer, recommendation_table
from nextbest.serving.recommender import Filters, Recommender
from nextbest.serving.requests import of_unknown_holdings, take

__all__ = ["EXPLAINED_CHUNK", "SCORING_CHUNK", "ScoredChunk", "score", "score_in_chunks"]

SCORING_CHUNK = 256
"""Customers per graph call: with 4,096 they cost a quarter more processor time, and a batch that is cancelled went on
for seconds."""
EXPLAINED_CHUNK = 4
"""The same where every recommendation is explained, which takes thousands of times as long: progress should show."""


@dataclass(frozen=True)
class ScoredChunk:
    """Some customers whose recommendations are written."""

    customers: int
    recommendations: pa.Table
    """See `recommendation_table`."""


def score_in_chunks(
    recommender: Recommender,
    ids: Array,
    requests: Features,
    out: Path,
    top: int,
    filters: Filters | None = None,
    explainer: ReasonExplainer | None = None,
) -> Generator[ScoredChunk]:
    """Recommend to many customers, and write a row per recommendation; the file is there when the last chunk was taken.

    The probability of whom nobody knows what they hold is left empty; see `of_unknown_holdings`.

    By what it was made stands beside it (see `serving.makers`).

    Who closes the iterator before stops the work, and nothing is left of it.

    Args:
        recommender: The loaded export.
        ids: Customer ids, [num_customers].
        requests: Their raw requests, [num_customers, ...].
        out: The file to write, .csv, .parquet or .xlsx.
        top: How many products per customer at most.
        filters: Narrow the result.
        explainer: Says why, in the column WHY.

    Yields:
        Each chunk when it is written.

    Raises:
        InputError: The output cannot be written in that format or place.
    """
    check_output(out, len(ids) * min(top, len(recommender.products.ids)))
    hidden = of_unknown_holdings(recommender, ids, requests)
    chunk = SCORING_CHUNK if explainer is None else EXPLAINED_CHUNK
    makers = makers_of(recommender, top, filters)
    with (
        new_file(makers_path(out)) as beside,
        new_file(out) as staging,
        open_writer(staging, out.suffix, explainer is not None, makers) as write,
    ):
        for first in range(0, max(len(ids), 1), chunk):
            rows = slice(first, first + chunk)
            chunk_requests = take(requests, rows)
            found = recommender.recommend(chunk_requests, top, filters).hide_probability(hidden[rows])
            why = None if explainer is None else why_sentences(explainer, chunk_requests, found.product_id)
            if why is not None:
                why[hidden[rows]] = ""  # reasons are of a probability
            table = recommendation_table(ids[rows], found, why)
            write(table)
            makers["rows"] += table.num_rows
            yield ScoredChunk(len(ids[rows]), table)
        beside.write_text(makers_text(makers) + "\n", encoding="utf-8", newline="\n")


def score(
    recommender: Recommender,
    ids: Array,
    requests: Features,
    out: Path,
    top: int,
    filters: Filters | None = None,
    advance: Callable[[int], None] = lambda customers: None,
    explainer: ReasonExplainer | None = None,
) -> int:
    """Do the same at once, and return how many recommendations were written.

    Args:
        recommender: See `score_in_chunks`, as for the others.
        ids: Customer ids.
        requests: Their raw requests.
        out: The file to write.
        top: How many products per customer at most.
        filters: Narrow the result.
        advance: Called with the number of customers of each chunk when it is written.
        explainer: Says why.

    Raises:
        InputError: The output cannot be written in that format or place.
    """
    written = 0
    for done in score_in_chunks(recommender, ids, requests, out, top, filters, explainer):
        written += done.recommendations.num_rows
        advance(done.customers)
    return written

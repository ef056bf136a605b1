"""The three tables that nextbest reads.

Our pipeline cuts all customers at one day, and the protocol cuts each at his or her own last film. So every person's
films are dated again, one a day, and all end together: the last one on the last day, the one before on the day before,
and so on. Then the last day is the test, the day before is the validation, and windows of one day are steps of the
sequences. What the product counts over days has therefore another meaning here: "the last 30 days" are everyone's last
30 films, a popularity's trend runs along the sequences and not along the calendar, and an age is a number of films. As
in every leave-last-out, one person's known films may be younger, by the calendar, than another's test.
"""

from __future__ import annotations

import pandas as pd

from benchmarks.movielens.source import MovieLens

__all__ = ["customer_table", "interaction_table", "product_table"]

_SECONDS_PER_DAY = 86_400
_UNKNOWN_GENRE = "unknown"


def interaction_table(source: MovieLens) -> pd.DataFrame:
    """Return customer_id, product_id and timestamp (days since 1970-01-01), the sequences aligned at their ends.

    Films of one second are ordered as in the file, whose order is random: item ids, the other choice, would tell, for
    they grow as films become less known.
    """
    ratings = source.ratings.sort_values("timestamp", kind="stable")
    last_day = int(ratings["timestamp"].iloc[-1] // _SECONDS_PER_DAY)
    later = ratings.groupby("user_id").cumcount(ascending=False)
    dated = pd.DataFrame(
        {"customer_id": ratings["user_id"], "product_id": ratings["item_id"], "timestamp": last_day - later}
    )
    return dated.sort_values(["timestamp", "customer_id", "product_id"], ignore_index=True)


def customer_table(source: MovieLens) -> pd.DataFrame:
    """Return customer_id, age, gender and occupation."""
    return source.people.rename(columns={"user_id": "customer_id"})


def product_table(source: MovieLens) -> pd.DataFrame:
    """Return product_id, title, year (missing where the file has no number) and genres (words)."""
    films = source.films
    return pd.DataFrame(
        {
            "product_id": films["item_id"],
            "title": films["movie_title"],
            "year": pd.to_numeric(films["release_year"], errors="coerce").astype("Int64"),
            "genres": films["class"].where(films["class"] != _UNKNOWN_GENRE, ""),
        }
    )

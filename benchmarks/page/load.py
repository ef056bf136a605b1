"""Simultaneous users who ask the page's endpoints, what they ask, and the same questions to the recommender alone."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from gradio_client import Client

from benchmarks.page.process import Latencies, Served, latencies, opened_page, processor_seconds, served
from nextbest.serving.recommender import categories, risks

__all__ = ["Endpoint", "Load", "Question", "User", "load", "markdown", "questions", "summary"]


@dataclass
class User:
    """Asks one question after the other, without a pause between them."""

    ask: Callable[[Question], Any]
    questions: Iterator[Question]
    answered: list[tuple[Question, float]] = field(default_factory=list)
    """With the seconds that each took."""
    failed: list[tuple[Question, str]] = field(default_factory=list)
    """With the error."""

    def run(self, until: float) -> None:
        """Ask until a time of time.perf_counter()."""
        while (began := time.perf_counter()) < until:
            question = next(self.questions)
            try:
                self.ask(question)
            except Exception as error:  # whatever it is, the benchmark reports it
                self.failed.append((question, f"{question.endpoint}: {type(error).__name__}: {error}"))
            else:
                self.answered.append((question, time.perf_counter() - began))


@dataclass(frozen=True)
class Figures:
    """What became of the questions to one endpoint, or to all."""

    latency: Latencies
    errors: int
    per_second: float
    """Answers per second."""


@dataclass(frozen=True)
class Load:
    """What the users saw."""

    users: int
    seconds: float
    open_seconds: float
    """From the start of the page's process until it was open."""
    first_answer_seconds: float
    """And until a program had its first answer."""
    page_processor_seconds: float
    """What the page's process computed during the load; on a busy machine it says more than the times."""
    users_processor_seconds: float
    """And the users' process."""
    endpoints: dict[str, Figures]
    """'all' is all of them together."""
    peer: Figures
    """`Recommender.recommend` with the same questions of /recommend, in one process, one after the other."""
    errors: dict[str, int]
    """Error -> how often."""


def load(models: Path, users: int, seconds: float, seed: int) -> Load:
    """Open the page, let users ask it, close it, and ask the recommender the same.

    Args:
        models: The served models.
        users: How many ask at the same time, each with a connection of its own.
        seconds: For how long.
        seed: Draws what they ask.

    Raises:
        FailedError: The page does not open.
        InputError: The export holds no customers.
    """
    about = served(models)
    with opened_page(models) as page:
        # No one's questions are the first one's, who waits until all is loaded.
        first = next(questions(about, seed, users))
        _endpoint_caller(_client(page.address))(first)
        first_answer = time.perf_counter() - page.began
        crowd = [User(_endpoint_caller(_client(page.address)), questions(about, seed, user)) for user in range(users)]
        processes = (page.process, os.getpid())
        before = [processor_seconds(process) for process in processes]
        took = _run(crowd, seconds)
        computed = [processor_seconds(process) - start for process, start in zip(processes, before, strict=True)]
    answered = [one for user in crowd for one in user.answered]
    failed = [one for user in crowd for one in user.failed]
    return Load(
        users=users,
        seconds=took,
        open_seconds=page.seconds,
        first_answer_seconds=first_answer,
        page_processor_seconds=computed[0],
        users_processor_seconds=computed[1],
        endpoints=summary(answered, failed, took),
        peer=_measure_alone(models, [question for question, _ in answered if question.endpoint == "/recommend"]),
        errors=dict(Counter(error for _, error in failed).most_common()),
    )


def _client(address: str) -> Client:
    return Client(address, verbose=False, analytics_enabled=False)


def _endpoint_caller(client: Client) -> Callable[[Question], Any]:
    """Return a function that calls an endpoint; an answer about another customer is a failure."""

    def ask(question: Question) -> None:
        answer = client.predict(**question.arguments, api_name=question.endpoint)
        customer = question.arguments["customer_id"]
        if answer.get("customer_id", customer) != customer:
            raise RuntimeError("the answer is another customer's")

    return ask


def _run(crowd: Sequence[User], seconds: float) -> float:
    """Let users ask, each in a thread; return how long it took until the last one's last answer."""
    began = time.perf_counter()
    threads = [threading.Thread(target=user.run, args=(began + seconds,)) for user in crowd]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - began


def summary(
    answered: Sequence[tuple[Question, float]], failed: Sequence[tuple[Question, str]], seconds: float
) -> dict[str, Figures]:
    """Return the figures of each endpoint, and of 'all'.

    Args:
        answered: Questions with the seconds that each answer took.
        failed: Questions with the error.
        seconds: How long it took in all.
    """
    figures = {}
    for name in (*get_args(Endpoint), "all"):
        times = [took for question, took in answered if name in (question.endpoint, "all")]
        errors = sum(name in (question.endpoint, "all") for question, _ in failed)
        figures[name] = Figures(latencies(times), errors, len(times) / seconds)
    return figures


def _measure_alone(models: Path, questions: Sequence[Question]) -> Figures:
    from nextbest.serving.recommender import Filters, Recommender
    from nextbest.serving.requests import requests_for_ids

    recommender = Recommender.load(models)
    calls = []
    for question in questions:
        arguments = dict(question.arguments)
        request = requests_for_ids(recommender, np.array([arguments.pop("customer_id")], object))
        calls.append((request, arguments.pop("top"), Filters(**arguments)))
    for call in calls[:1]:
        recommender.recommend(*call)  # the first one is slow
    times = []
    for call in calls:
        began = time.perf_counter()
        recommender.recommend(*call)
        times.append(time.perf_counter() - began)
    recommender.close()
    return Figures(latencies(times), 0, len(times) / sum(times) if times else 0.0)


def markdown(found: Load) -> str:
    """Return the figures as a table in Markdown, with the errors below."""
    lines = [
        f"{found.users} users for {found.seconds:.0f} s; the page was open after {found.open_seconds:.1f} s "
        f"and gave its first answer after {found.first_answer_seconds:.1f} s",
        "",
        "| | answers | errors | p50, ms | p95, ms | p99, ms | answers per second |",
        "|---|---|---|---|---|---|---|",
        *(_row(name, figures) for name, figures in found.endpoints.items()),
        _row("the recommender alone, one after the other", found.peer),
    ]
    if answers := found.endpoints["all"].latency.answers:
        page_ms, users_ms = (
            1000 * one / answers for one in (found.page_processor_seconds, found.users_processor_seconds)
        )
        lines += ["", f"processor time of an answer: {page_ms:.0f} ms of the page, {users_ms:.0f} ms of the users"]
    page, peer = found.endpoints["/recommend"], found.peer
    if page.latency.p50 is not None and peer.latency.p50 is not None:
        lines += [
            "",
            f"/recommend beside the recommender alone: {page.latency.p50 / peer.latency.p50:.0f} times its p50, "
            f"{page.per_second / peer.per_second:.2f} of its answers per second",
        ]
    lines += [f"{count} times: {error}" for error, count in found.errors.items()]
    return "\n".join(lines) + "\n"


def _row(name: str, figures: Figures) -> str:
    found = figures.latency
    times = ["" if one is None else f"{one:,.1f}" for one in (found.p50, found.p95, found.p99)]
    cells = [name, f"{found.answers:,}", f"{figures.errors:,}", *times, f"{figures.per_second:,.1f}"]
    return f"| {' | '.join(cells)} |"


Endpoint = Literal["/recommend", "/explain", "/profile"]

_EXPLAIN_EVERY = 10
_PROFILE_EVERY = 20
_MOST_PRODUCTS = 20
_MOST_EXCLUDED = 5
_MOST_CATEGORIES = 4


@dataclass(frozen=True)
class Question:
    """One call of an endpoint."""

    endpoint: Endpoint
    arguments: Mapping[str, Any]


def questions(served: Served, seed: int, user: int) -> Iterator[Question]:
    """Yield what a user asks, without end: the same for the same seed and user.

    Every 10th is /explain, every 20th /profile, the others are /recommend: half of them without a filter, the others
    with a limit of the risk, some categories or some excluded products.
    """
    random = np.random.default_rng([seed, user])
    place = 0
    while True:
        place += 1
        customer = {"customer_id": str(random.choice(served.customers.ids))}
        if place % _PROFILE_EVERY == 0:
            yield Question("/profile", customer)
        elif place % _EXPLAIN_EVERY == _EXPLAIN_EVERY // 2:
            yield Question("/explain", customer | {"product_id": str(random.choice(served.products.ids))})
        else:
            top = int(random.integers(1, _MOST_PRODUCTS + 1))
            yield Question("/recommend", customer | {"top": top} | _filters(served, random))


def _filters(served: Served, random: np.random.Generator) -> dict[str, Any]:
    """Draw filters of a recommendation, as the endpoint reads them."""
    match int(random.integers(6)):
        case 0 if len(known := risks(served)):
            return {"max_risk": float(random.choice(known))}
        case 1 if names := categories(served):
            return {"categories": _some(names, _MOST_CATEGORIES, random)}
        case 2:
            return {"exclude": _some(served.products.ids.tolist(), _MOST_EXCLUDED, random)}
    return {}


def _some(values: list[str], most: int, random: np.random.Generator) -> list[str]:
    count = int(random.integers(1, min(most, len(values)) + 1))
    return [str(value) for value in random.choice(values, count, replace=False)]

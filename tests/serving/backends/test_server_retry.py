"""How often and how long a server is asked."""

from __future__ import annotations

import pytest

from nextbest.serving.backends.config import ClientConfig
from nextbest.serving.backends.messages import ServerError
from nextbest.serving.backends.server import retry
from tests.serving.backends.clocks import FakeTime


class Server:
    """Fails as it is told, then answers."""

    def __init__(self, time: FakeTime, codes: list[str], takes: float = 0.0) -> None:
        self.left: list[float] = []
        self._time, self._codes, self._takes = time, codes, takes

    def __call__(self, seconds: float) -> str:
        self.left.append(seconds)
        self._time.time += self._takes
        if self._codes:
            raise ServerError(self._codes.pop(0), "")
        return "answer"


def test_an_unavailable_server_is_asked_again_after_growing_pauses() -> None:
    time = FakeTime()
    config = ClientConfig(attempts=6, backoff_seconds=0.1, max_backoff_seconds=0.5, deadline_seconds=10)
    server = Server(time, ["UNAVAILABLE"] * 5)
    assert retry(server, config, time.clock()) == "answer"
    assert len(time.pauses) == 5
    for pause, longest in zip(time.pauses, [0.1, 0.2, 0.4, 0.5, 0.5], strict=True):
        assert 0 < pause <= longest
    assert len(set(time.pauses)) == 5  # drawn, so that clients do not come back together
    assert server.left[0] == 10
    assert server.left[-1] == pytest.approx(10 - sum(time.pauses))


def test_the_attempts_are_counted() -> None:
    time = FakeTime()
    server = Server(time, ["UNAVAILABLE"] * 9)
    with pytest.raises(ServerError):
        retry(server, ClientConfig(attempts=3), time.clock())
    assert len(server.left) == 3 and len(time.pauses) == 2


@pytest.mark.parametrize("code", ["INTERNAL", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "ABORTED", "TLS", "UNKNOWN"])
def test_another_error_is_final(code: str) -> None:
    time = FakeTime()
    server = Server(time, ["UNAVAILABLE", code])
    with pytest.raises(ServerError, match=code):
        retry(server, ClientConfig(), time.clock())
    assert len(server.left) == 2


def test_nobody_is_asked_after_the_deadline() -> None:
    time = FakeTime()
    config = ClientConfig(attempts=100, deadline_seconds=2, backoff_seconds=0.5)
    server = Server(time, ["UNAVAILABLE"] * 100, takes=0.7)
    with pytest.raises(ServerError, match="UNAVAILABLE"):
        retry(server, config, time.clock())
    assert all(left > 0 for left in server.left)
    assert len(server.left) <= 3
    assert sum(time.pauses) + 0.7 * len(server.left) <= 2 + 0.7

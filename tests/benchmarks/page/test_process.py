from __future__ import annotations

import pytest

from benchmarks.page.process import Latencies, latencies


class TestLatencies:
    def test_of_known_times(self) -> None:
        # 1 to 200 ms: 50 of 100 answers took at most 100 ms, 95 at most 190 ms, 99 at most 198 ms.
        times = [place / 1000 for place in range(200, 0, -1)]
        found = latencies(times)
        assert found == Latencies(200, pytest.approx(100), pytest.approx(190), pytest.approx(198))

    def test_of_one_and_of_none(self) -> None:
        assert latencies([0.25]) == Latencies(1, 250, 250, 250)
        assert latencies([]) == Latencies(0, None, None, None)

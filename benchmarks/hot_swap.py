"""Push copies of the newest version while clients ask without pause: what fails, how long they wait, what memory grows.

python -m benchmarks.hot_swap --models MODELS --pushes 50 --clients 4
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import threading
import time
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from nextbest.data.dataset import Array, Features
from nextbest.serving.live import LiveRecommender, LocalVersions
from nextbest.serving.requests import take
from nextbest.serving.store.push import push
from nextbest.serving.store.versions import COMPOSITE, latest_version


@dataclass
class Client:
    """Asks for one customer after the other, a request at a time."""

    live: LiveRecommender
    requests: Features
    k: int
    first: int
    began: array[float] = field(default_factory=lambda: array("d"))
    """When each answered request began, seconds."""
    took: array[float] = field(default_factory=lambda: array("d"))
    """How long it took, seconds."""
    versions: set[str] = field(default_factory=set)
    """The versions that answered."""
    failures: list[str] = field(default_factory=list)

    def run(self, stop: threading.Event) -> None:
        """Ask until the event is set."""
        customers, customer = len(self.requests["as_of_day"]), self.first
        while not stop.is_set():
            request = take(self.requests, np.array([customer % customers]))
            began = time.perf_counter()
            try:
                recommender = self.live.current
                found = recommender.recommend(request, self.k)
                if found.count[0] < 1:
                    raise RuntimeError(f"customer {customer % customers} got nothing")
            except Exception as error:
                self.failures.append(f"{type(error).__name__}: {error}")
            else:
                self.took.append(time.perf_counter() - began)
                self.began.append(began)
                self.versions.add(recommender.folder.name)
            customer += 1


@contextmanager
def asking(clients: list[Client]) -> Iterator[None]:
    """Let the clients ask, each in a thread, while the block runs."""
    stop = threading.Event()
    threads = [threading.Thread(target=client.run, args=(stop,)) for client in clients]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def memory(entry: str) -> float:
    """Return an entry of /proc/self/status, MB: VmRSS is what is resident, VmHWM the most that ever was."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{entry}:")) / 1024


def settled_memory() -> float:
    """Return what is resident when all garbage is gone and the allocator has given back what it does not use, MB."""
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    return memory("VmRSS")


def milliseconds(latencies: Array) -> str:
    """Describe latencies, seconds."""
    p50, p99 = np.percentile(latencies, [50, 99]) * 1000
    most = latencies.max() * 1000
    return f"p50 {p50:.1f} ms, p99 {p99:.1f} ms, longest {most:.0f} ms ({len(latencies):,} requests)"


def main() -> None:
    """Run the benchmark and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, required=True, help="the newest version in it is pushed; not changed")
    parser.add_argument("--pushes", type=int, default=50)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--k", type=int, default=5, help="products per request")
    parser.add_argument("--quiet", type=float, default=10, help="seconds without a push, before and after")
    parser.add_argument("--keep", type=int, default=3, help="versions that stay after each push")
    arguments = parser.parse_args()
    export = {COMPOSITE: latest_version(arguments.models / COMPOSITE)}
    with TemporaryDirectory() as scratch:
        models = Path(scratch)
        push(export, models)
        with LiveRecommender(LocalVersions(models)) as live:
            measure(live, models, export, arguments)


def measure(live: LiveRecommender, models: Path, export: dict[str, Path], arguments: argparse.Namespace) -> None:
    """Push, and print what the clients saw."""
    requests = live.current.customers().columns
    clients = [Client(live, requests, arguments.k, first) for first in range(arguments.clients)]
    with asking(clients):
        time.sleep(arguments.quiet)
    before = settled_memory()
    live.start(interval=0.1)
    with asking(clients):
        swaps, resident = push_repeatedly(live, models, export, arguments)
    after = settled_memory()
    with asking(clients):
        time.sleep(arguments.quiet)
    print_requests(clients, swaps)
    print_memory(before, after, resident)


def push_repeatedly(
    live: LiveRecommender, models: Path, export: dict[str, Path], arguments: argparse.Namespace
) -> tuple[Array, list[float]]:
    """Push copies, each when the one before is served.

    Returns:
        When each push began and when its version was served, seconds, [pushes, 2]; and the resident memory then, MB.
    """
    swaps, resident = [], []
    for number in range(1, arguments.pushes + 1):
        began = time.perf_counter()
        version = push(export, models, keep=arguments.keep)
        while live.version != version:
            if version in live.refused:
                raise SystemExit(f"version {version} was refused: {live.refused[version]}")
            time.sleep(0.01)
        swaps.append((began, time.perf_counter()))
        resident.append(memory("VmRSS"))
        if number % 10 == 0:
            print(f"after {number} pushes: {resident[-1]:.0f} MB resident", flush=True)
    return np.array(swaps), resident


def print_requests(clients: list[Client], swaps: Array) -> None:
    """Print what failed, and the latencies with and without a push."""
    began, took = (np.concatenate([getattr(client, name) for client in clients]) for name in ("began", "took"))
    starts, ends = swaps.T
    swapping = (np.searchsorted(starts, began, "right") - np.searchsorted(ends, began)) > 0
    failures = [failure for client in clients for failure in client.failures]
    served_by = set().union(*(client.versions for client in clients))
    seconds = ends - starts
    print(f"failed requests: {len(failures)}", *sorted(set(failures))[:5], sep="\n  ")
    print(f"served requests: {len(took):,}, by {len(served_by)} versions")
    print(f"latency without a push: {milliseconds(took[~swapping])}")
    print(f"latency during swaps: {milliseconds(took[swapping])}")
    print(f"push to swap: median {np.median(seconds):.1f} s, longest {seconds.max():.1f} s")


def print_memory(before: float, after: float, resident: list[float]) -> None:
    """Print how much the resident memory grew, MB, from before to after all swaps and at each of them."""
    growth = (after - before) / len(resident)
    print(f"resident memory: {before:.0f} MB before, {after:.0f} MB after ({growth:+.2f} MB per swap)")
    half = len(resident) // 2
    slope = float("nan")
    if len(resident) > 3:
        slope = float(np.polyfit(np.arange(half, len(resident)), resident[half:], 1)[0])
    print(f"while clients asked: {resident[0]:.0f} MB at the first swap, {resident[-1]:.0f} MB at the last one")
    print(f"growth in the second half: {slope:+.2f} MB per swap; peak {memory('VmHWM'):.0f} MB")


if __name__ == "__main__":
    main()

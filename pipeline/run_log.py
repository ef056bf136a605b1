"""A run's log: what happens when, and what each step costs.

RUN/run.log has a line with its time for whatever is logged below `nextbest`; the manifest's `steps` repeat the seconds
and the peak memory of each step.
"""

from __future__ import annotations

import contextlib
import logging
import resource
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from nextbest.modelling.training import Progress
from nextbest.pipeline.run_folder import RunFolder

__all__ = ["LOG", "RunLog", "Step"]

LOG = "run.log"
_LINE = "%(asctime)s %(levelname)s %(message)s"
_logger = logging.getLogger("nextbest")


@dataclass(frozen=True)
class Step:
    """A step that has ended."""

    name: str
    seconds: float
    """By the clock."""
    peak_gb: float
    """The most memory that the process had in it, GB."""


class RunLog:
    """Shows the steps of a run, one at a time, and keeps what each cost."""

    def __init__(self, folder: RunFolder, show: Callable[[str], Progress]) -> None:
        """Log into a run's folder, from when the run has begun.

        Args:
            folder: The run's folder.
            show: Step's name -> a function that shows how far it is.
        """
        self._folder, self._show = folder, show
        self._begun: tuple[str, float] | None = None

    def begin(self, name: str) -> Progress:
        """End the step before, begin one, and return what shows how far it is; at 1 the step has ended."""
        self.end()
        if self._folder.has_begun:
            _write_to(self._folder.path(LOG))
        _logger.info("%s: begins", name)
        _forget_peak_memory()
        self._begun = name, time.perf_counter()
        show = self._show(name)

        def progress(text: str, share: float) -> None:
            _logger.debug("%s: %s (%.0f %%)", name, text, 100 * share)
            show(text, share)
            if share >= 1:
                self.end()

        return progress

    def end(self) -> None:
        """End the step that was begun, if there is one: one that stops early does not come to 1."""
        if self._begun is None:
            return
        (name, start), self._begun = self._begun, None
        step = Step(name, round(time.perf_counter() - start, 3), round(_peak_memory() / 2**30, 3))
        _logger.info("%s: took %.1f s, at most %.2f GB of memory", *asdict(step).values())
        if self._folder.has_begun:
            others = [other for other in self._folder.manifest().get("steps", []) if other["name"] != name]
            self._folder.add_to_manifest(steps=[*others, asdict(step)])


class _RunHandler(logging.FileHandler):
    """Writes one run's log; there is one at a time."""


def _write_to(path: Path) -> None:
    """Let what is logged be written to the end of a file from now on, and no longer to an earlier run's."""
    for handler in [handler for handler in _logger.handlers if isinstance(handler, _RunHandler)]:
        if handler.baseFilename == str(path.resolve()):
            return
        _logger.removeHandler(handler)
        handler.close()
    handler = _RunHandler(path.resolve(), encoding="utf-8")
    handler.setFormatter(logging.Formatter(_LINE))
    _logger.addHandler(handler)
    _logger.setLevel(logging.DEBUG)


def _forget_peak_memory() -> None:
    """Let the kernel count this process' peak memory anew; where it does not, a peak is that since the start."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def _peak_memory() -> int:
    """Return the peak since `_forget_peak_memory`, bytes."""
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM:")).split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

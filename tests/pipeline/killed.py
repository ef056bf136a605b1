"""Run `nextbest run` again and again, each time killed at the next point, then once to its end.

Usage: python -m tests.pipeline.killed POINTS CONFIG OUT MODELS, where POINTS is a JSON list of [when, path, count]:
die by SIGKILL before or after the count-th file or folder whose path ends so is put in place. Everything that a run
leaves is put in place by a rename, so these points lie between and within all of its steps.

Each attempt is a process of its own, forked before TensorFlow has done anything, which saves importing it each time.
The models are not loaded in fresh processes: the shared run does that. They are pushed by force: on a bank whose future
is drawn at random they need not be the best.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from nextbest.ui.cli import main
from tests.pipeline.load_checks import all_models_load


def die_at(when: str, ending: str, count: int) -> None:
    """Let this process kill itself."""
    left = count

    def deadly(rename: Callable[..., None]) -> Callable[..., None]:
        def call(source: Any, target: Any) -> None:
            nonlocal left
            left -= str(target).endswith(ending)
            fatal = left == 0 and str(target).endswith(ending)
            if not fatal or when == "after":
                rename(source, target)
            if fatal:
                os.kill(os.getpid(), signal.SIGKILL)

        return call

    os.replace, os.rename = deadly(os.replace), deadly(os.rename)


def attempt(command: list[str], point: tuple[str, str, int] | None) -> int:
    """Return how the command ended: its exit code, or minus the signal."""
    child = os.fork()
    if child == 0:
        if point is not None:
            die_at(*point)
        sys.argv = command
        with all_models_load():
            main()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    gc.freeze()  # the attempts need not look through what was imported
    gc.set_threshold(50_000, 20, 50)
    points, config, out, models = json.loads(sys.argv[1]), *sys.argv[2:]
    command = ["nextbest", "run", "--config", config, "--out", out, "--models", models, "--json", "--force"]
    ends = [attempt(command, point) for point in [*points, None]]
    print(json.dumps(ends), file=sys.stderr)
    sys.exit(ends != [-signal.SIGKILL] * len(points) + [0])

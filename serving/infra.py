"""The infra blessing (TFX's InfraValidator): whether exported models work where none of this project's code is."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import nextbest.serving.replay
from nextbest.data.atomic import write_instead
from nextbest.data.config import StrictModel
from nextbest.serving.infra_config import InfraConfig
from nextbest.serving.op_libraries import OP_LIBRARIES
from nextbest.serving.op_set import OpSetError, check_op_set

__all__ = ["INFRA_BLESSED", "INFRA_NOT_BLESSED", "InfraBlessing", "InfraCheck", "infra_validate"]

INFRA_BLESSED, INFRA_NOT_BLESSED = "INFRA_BLESSED", "INFRA_NOT_BLESSED"

_LAST_WORDS = 5
"""How many lines of a dead process' output are repeated."""


class InfraCheck(StrictModel):
    """What one model came to."""

    problem: str
    """Why it is not blessed, a line for each reason; empty when it is."""
    records: int = 0
    """How many warmup records were replayed."""
    worst_difference: float = 0.0
    """The largest difference of two numbers, relative to the recorded one where that is beyond 1."""


class InfraBlessing(StrictModel):
    """Whether all models work."""

    blessed: bool
    """Whether none has a problem, and there is one at all."""
    models: dict[str, InfraCheck]
    """Model -> what it came to."""

    @property
    def reasons(self) -> list[str]:
        """Why the models are not blessed; empty when they are."""
        if not self.models:
            return ["there is no model"]
        return [f"{name}: {check.problem}" for name, check in self.models.items() if check.problem]

    def write(self, folder: Path) -> None:
        """Write INFRA_BLESSED or INFRA_NOT_BLESSED, JSON; never are both there, and of a killed process neither may be.

        Raises:
            OSError: The folder cannot be written to.
        """
        name, other = (INFRA_BLESSED, INFRA_NOT_BLESSED) if self.blessed else (INFRA_NOT_BLESSED, INFRA_BLESSED)
        content = self.model_dump() | {"reasons": self.reasons}
        write_instead(folder / other, folder / name, json.dumps(content, indent=2, sort_keys=True) + "\n")


def infra_validate(servables: Mapping[str, Path], config: InfraConfig | None = None) -> InfraBlessing:
    """Check exported models, each in a fresh process that can import TensorFlow and none of this project's code.

    A model is blessed when its ops are TensorFlow's own (and those of its op library, see `serving.op_libraries`), it
    loads, and it answers each of its warmup records as it did when they were written, all of its signatures among them.
    Whatever else happens (it raises, crashes, hangs, or there are no records) is why it is not.

    Args:
        servables: Name -> folder with a SavedModel.
        config: Time limit, tolerance and number of processes.
    """
    config = config or InfraConfig()
    with ThreadPoolExecutor(config.processes) as pool:
        checks = list(pool.map(partial(_check, config=config), servables, servables.values()))
    models = dict(zip(servables, checks, strict=True))
    return InfraBlessing(blessed=bool(models) and not any(check.problem for check in checks), models=models)


def _check(name: str, folder: Path, config: InfraConfig) -> InfraCheck:
    libraries = OP_LIBRARIES.get(name, {})
    problems = []
    try:
        check_op_set(folder, tuple(libraries))
    except FileNotFoundError:
        return InfraCheck(problem=f"{folder} holds no saved_model.pb; export it anew")
    except OpSetError as error:
        problems.append(str(error))
    report = _replay_in_fresh_process(folder, list(libraries.values()), config)
    if "error" in report:
        return InfraCheck(problem="\n".join([*problems, report["error"]]))
    problems += report["problems"]
    if not report["records"]:
        problems.append(f"{folder / nextbest.serving.replay.WARMUP} holds no warmup records; export the model anew")
    return InfraCheck(
        problem="\n".join(problems),
        records=report["records"],
        worst_difference=report["worst_difference"],
    )


def _replay_in_fresh_process(folder: Path, libraries: list[str], config: InfraConfig) -> dict[str, Any]:
    """Return the report of `serving.replay` as a script, or the error that the process came to."""
    with TemporaryDirectory() as scratch:
        report = Path(scratch) / "report.json"
        script = [sys.executable, "-I", nextbest.serving.replay.__file__]
        arguments = [str(folder.resolve()), str(report), str(config.tolerance), *libraries]
        try:
            fresh = subprocess.run(
                script + arguments,
                cwd=scratch,
                env=_bare_environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=config.timeout_seconds,
            )
        except subprocess.TimeoutExpired:
            return {"error": f"it hangs: no answer within {config.timeout_seconds:g} seconds"}
        if fresh.returncode != 0 or not report.exists():
            return {"error": f"its process {_end(fresh.returncode)}: {_last_words(fresh.stdout)}"}
        found: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
        return found


def _bare_environment() -> dict[str, str]:
    """Return this process' environment without what steers Python and TensorFlow."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "TF_"))}


def _end(returncode: int) -> str:
    if returncode >= 0:
        return f"ended with exit code {returncode}"
    return f"was killed by {signal.Signals(-returncode).name}"


def _last_words(output: bytes) -> str:
    lines = output.decode("utf-8", errors="replace").strip().splitlines()
    return "\n".join(lines[-_LAST_WORDS:]) or "it said nothing"

"""A run: how one begins, goes on or is opened, and the checked inputs that every step reads."""

from __future__ import annotations

import hashlib
import importlib.metadata
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from nextbest.data.dataset import Dataset
from nextbest.data.errors import InputError, Problem
from nextbest.data.files import write_text
from nextbest.data.tables.load import load_dataset
from nextbest.data.tables.read import digest_file, digest_table
from nextbest.data.windows import Window, Windows, cut_windows
from nextbest.modelling.training import Progress
from nextbest.pipeline.check_tables import check_tables
from nextbest.pipeline.config import RunConfig, load_config
from nextbest.pipeline.machine import machine_facts
from nextbest.pipeline.run_folder import RUN_FORMAT, RunFolder
from nextbest.pipeline.run_log import RunLog
from nextbest.ranking.training import RankerSettings
from nextbest.retrieval.training import RetrieverSettings

__all__ = ["Run", "begin_run", "check_trainable", "config_digest", "data_digests", "open_run", "read_run", "start_run"]

SETTINGS_THAT_DO_NOT_CHANGE_THE_MODEL: dict[str, bool | dict[str, bool]] = {
    "evaluation": {"approval": True},
    "export": {"keep_versions": True, "refresh": True, "max_age_days": True},
    "tune": True,
}
"""They say how a run is approved, pushed and used or how settings are searched: a run goes on when these change."""
_VERSIONED = ("nextbest", "tensorflow", "tensorflow-recommenders", "scann", "numpy", "pandas")


@dataclass(frozen=True)
class Run:
    """One run. The tables are read when they are first needed."""

    config: RunConfig
    source: Path
    """The folder of the TOML, at which relative paths start."""
    folder: RunFolder
    show: Callable[[str], Progress]
    """Step's name -> a function that shows people how far it is."""
    same_tables_as: Run | None = None
    """A run with the same tables, which are then not read again."""

    def progress(self, step: str) -> Progress:
        """Begin a step, which is shown and logged; return what is called with what goes on and the share done."""
        return self.log.begin(step)

    @cached_property
    def log(self) -> RunLog:
        """What each step cost."""
        return RunLog(self.folder, self.show)

    @cached_property
    def dataset(self) -> Dataset:
        """All rows, those of the test window too: only the evaluation may look at them."""
        if self.same_tables_as is not None:
            return self.same_tables_as.dataset
        return load_dataset(self.config.data, self.source)

    @cached_property
    def windows(self) -> Windows:
        """How time is cut."""
        days = self.dataset.interactions.day
        selection = self.config.retrieval.patience > 0
        return cut_windows(self.config.data.windows, int(days[0]), int(days[-1]), selection)

    @cached_property
    def history(self) -> Dataset:
        """What is known at the test cutoff: all that models are made of."""
        cutoff, other = self.windows.test.cutoff, self.same_tables_as
        if other is not None and other.windows.test.cutoff == cutoff:
            return other.history
        return self.dataset.until(cutoff)

    @property
    def selection_window(self) -> Window:
        """The window before the oldest ranking window: it chooses the retriever's epochs, and nothing else."""
        first = self.windows.ranking[0].cutoff
        return Window(first - self.config.data.windows.horizon_days, first)

    @property
    def horizon_days(self) -> int:
        """Length of the window that a probability speaks of, which is that of the run that was calibrated."""
        trained = self.folder.refreshed_from
        return int(trained["horizon_days"]) if trained else self.config.data.windows.horizon_days

    def retriever_settings(self) -> RetrieverSettings:
        """Return what a retriever depends on."""
        config = self.config
        return RetrieverSettings(config.data, config.statistics, config.retrieval, config.seed)

    def ranker_settings(self) -> RankerSettings:
        """Return what a ranker depends on; the gaps that it reads are those of the rules that it was trained with."""
        config, trained = self.config, self.folder.refreshed_from
        data = config.data
        if trained and "compared" in trained:
            data = data.model_copy(update={"policy": data.policy.comparing(map(tuple, trained["compared"]))})
        return RankerSettings(data, config.statistics, config.ranking, config.seed, config.evaluation.main_k)


def start_run(config: Path, out: Path, progress: Callable[[str], Progress], source: Path | None = None) -> Run:
    """Begin a run, or go on with it when `out` holds one of the same config and data.

    Args:
        config: The TOML.
        out: The run's folder.
        progress: See `Run.show`.
        source: The folder at which the TOML's relative paths start; by default its own.

    Raises:
        InputError: The config or the tables have problems (nothing is written then), or `out` holds something else.
    """
    run = read_run(config, out, progress, source)
    check_trainable(config, run)
    begin_run(run, config.read_text(encoding="utf-8"))
    return run


def check_trainable(config: Path, run: Run) -> None:
    """Refuse tables and windows from which nothing could be trained or measured.

    Args:
        config: The TOML, for people.
        run: What `read_run` read.

    Raises:
        InputError: With all that is wrong.
    """
    if not run.windows.measured:
        what, remedy = "it is 0, and a run that is trained must be measured", "raise it, or use `nextbest refresh`"
        raise InputError([Problem(str(config), "data.windows.test_days", None, what, remedy)])
    selection = run.selection_window if run.config.retrieval.patience > 0 else None
    check_tables(config, run.config, run.dataset, run.windows, selection)


def read_run(config: Path, out: Path, progress: Callable[[str], Progress], source: Path | None = None) -> Run:
    """Read and check the inputs of a run; nothing is written. Arguments and errors as for `start_run`."""
    run = Run(load_config(config), source or config.parent.resolve(), RunFolder(out), progress)
    _check_evaluation_files(config, run)
    try:
        _ = run.windows  # reads and checks the tables
    except ValueError as error:
        raise InputError([Problem(str(config), "data.windows", None, str(error), "")]) from None
    return run


def begin_run(run: Run, toml: str, refreshed_from: dict[str, Any] | None = None) -> None:
    """Write the manifest and the config into the run's folder, or go on with the run that is there.

    Args:
        run: What `read_run` read.
        toml: The text of its config.
        refreshed_from: Which trained run's weights this one has; None where it is trained itself.

    Raises:
        InputError: The folder holds something else.
    """
    other = run.same_tables_as
    data = data_digests(run.config, run.source) if other is None else other.folder.manifest()["data"]
    run.folder.begin(_manifest(run.config, run.source, data, refreshed_from))
    run.folder.add_machine(machine_facts())
    write_text(run.folder.path("config.toml"), toml)
    run.folder.add_to_manifest(windows=run.windows.dates())


def open_run(out: Path, progress: Callable[[str], Progress]) -> Run:
    """Open a run that was begun.

    Raises:
        InputError: `out` holds no run, or its tables have changed.
    """
    folder = RunFolder(out)
    source = Path(folder.manifest()["source"])
    run = Run(load_config(folder.path("config.toml")), source, folder, progress)
    _check_evaluation_files(folder.path("config.toml"), run)
    folder.begin(_manifest(run.config, source, data_digests(run.config, source), folder.refreshed_from))
    return run


def _manifest(
    config: RunConfig, source: Path, data: Mapping[str, str], refreshed_from: dict[str, Any] | None
) -> dict[str, Any]:
    return {
        "format": RUN_FORMAT,
        "version": importlib.metadata.version("nextbest"),
        "git_revision": _git_revision(),
        "packages": {name: importlib.metadata.version(name) for name in _VERSIONED},
        "seed": config.seed,
        "source": str(source),
        "data": data,
        "config": config_digest(config),
        "refreshed_from": refreshed_from,
    }


def config_digest(config: RunConfig) -> str:
    """Return the SHA-256 of the settings that change the models or their figures."""
    # A setting that a newer version adds changes no older run; where it changes a default, RUN_FORMAT rises.
    told = config.model_dump_json(exclude=SETTINGS_THAT_DO_NOT_CHANGE_THE_MODEL, exclude_defaults=True)
    return hashlib.sha256(told.encode()).hexdigest()


def data_digests(config: RunConfig, source: Path) -> dict[str, str]:
    """Return the SHA-256 of what each table and each of the evaluation's files holds."""
    digests = {f"evaluation.{name}": digest_file(path) for name, path in _evaluation_files(config, source).items()}
    tables = {"customers": config.data.customers, "products": config.data.products}
    for name, table in {**tables, "interactions": config.data.interactions}.items():
        digests[name] = digest_table(table, source)
    return digests


def _git_revision() -> str | None:
    """Return the revision of the checkout that the code runs from, None where it is installed without one."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def _check_evaluation_files(config: Path, run: Run) -> None:
    """Find out that a file is missing before hours of training, not after."""
    problems = [
        Problem(str(config), f"evaluation.{name}", None, f"there is no file {path}", "fix the path, or remove it")
        for name, path in _evaluation_files(run.config, run.source).items()
        if not path.is_file()
    ]
    if problems:
        raise InputError(problems)


def _evaluation_files(config: RunConfig, source: Path) -> dict[str, Path]:
    """Return the files that the evaluation reads beside the tables, by their keys."""
    named = {"customers": config.evaluation.customers, "oracle": config.evaluation.oracle}
    return {name: source / path for name, path in named.items() if path is not None}

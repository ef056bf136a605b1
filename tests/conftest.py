"""Settings that hold before any test imports TensorFlow, and the fixtures that several packages share."""

from __future__ import annotations

import fcntl
import gc
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import hypothesis
import pytest
from xdist.scheduler import LoadScopeScheduling

if TYPE_CHECKING:
    from nextbest.serving.recommender import Recommender
    from tests.trained import Trained

os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

# A worker holds millions of objects of TensorFlow's graphs, through which each full collection of garbage would go.
gc.set_threshold(50_000, 20, 50)

# How long an example takes says more of what else the machine does than of the code.
hypothesis.settings.register_profile("any machine", deadline=None)
hypothesis.settings.load_profile("any machine")

T = TypeVar("T")

ROOT = Path(__file__).resolve().parent.parent


SHARE_A_SERVER = ("tests/ui/browser/", "tests/ui/page/", "tests/test_emulator/")
"""Folders whose tests run in one worker, so that their server starts once."""
STARTS_FIRST = "tests/pipeline/test_leak_and_kill.py"
"""The longest file; its worker makes the shared run while the other one does what needs none."""
LONGEST = "tests/ui/browser/"
"""The group of tests that takes longest; begun last, it would leave the other worker with nothing to do."""
SLOW = (
    "tests/benchmarks/",
    "tests/modelling/test_event_kinds.py",
    "tests/ranking/test_refresh.py",
    "tests/ranking/test_training.py",
    "tests/retrieval/test_training.py",
    "tests/retrieval/test_training_refresh.py",
    "tests/serving/store/test_push_faults.py",
    "tests/zoo/",
)
"""What trains or starts many processes. `make quick` leaves it out, and all that needs the shared run."""
FULL = (
    "tests/benchmarks/page/test_load.py::test_load_from_the_start",
    "tests/benchmarks/page/test_tasks.py::test_no_task_needs_more_clicks",
    "tests/benchmarks/test_explanations.py::test_all_explainers_are_measured",
    "tests/benchmarks/test_monitoring.py::test_it_counts_what_is_found",
    "tests/benchmarks/test_recommend.py::test_contenders_are_measured",
    "tests/benchmarks/test_recommend.py::test_one_that_answers_otherwise_is_refused",
    "tests/benchmarks/test_refresh_cost.py::test_a_run_compared_with_itself",
    "tests/pipeline/test_tune.py::test_the_own_settings_score_as_in_a_run_with_another_future",
    "tests/ranking/test_training.py::TestSelectRanker::test_without_patience",
    "tests/ranking/test_training.py::TestTrainRanker::test_another_seed",
    "tests/retrieval/test_training.py::TestSeed::test_another_seed",
    "tests/retrieval/test_training.py::test_from_an_earlier_days_weights",
    "tests/retrieval/test_training.py::test_hard_negatives",
    "tests/serving/store/test_push_faults.py::test_every_operation_is_disturbed_in_both_ways",
    "tests/serving/test_protected.py::test_flipped_in_every_row",
    "tests/test_layering.py::TestNames::test_no_file_is_loaded_under_two_names",
    "tests/ui/browser/test_accessibility.py::test_no_tab_has_a_violation[dark-390]",
    "tests/ui/browser/test_accessibility.py::test_no_tab_has_a_violation_in_german",
    "tests/ui/browser/test_batch.py::test_every_state_can_be_used_by_everybody[dark-390]",
    "tests/ui/browser/test_keyboard.py::test_arrows_walk_through_all_tabs_and_no_tab_keeps_the_focus",
    "tests/ui/browser/test_language.py::test_a_batch_is_in_german",
    "tests/ui/browser/test_language.py::test_by_product_is_in_german",
    "tests/ui/browser/test_language.py::test_the_desk_and_why_are_in_german[address]",
    "tests/ui/browser/test_language.py::test_the_neighbourhood_is_in_german",
    "tests/ui/browser/test_print.py::test_another_tab_is_printed_without_the_controls",
    "tests/ui/browser/test_print.py::test_filters_are_on_the_page",
    "tests/ui/browser/test_reach.py::test_nothing_is_wider_or_much_taller_than_a_narrow_screen[768]",
    "tests/ui/browser/test_versions.py",
)
"""What `make test` leaves out: it takes long, and is a variant of what that looks at, about a benchmark, or about
what rarely changes."""


class Groups(LoadScopeScheduling):
    """Gives the tests of a file to one worker, and those of all files that share a server.

    It is what xdist's --dist loadgroup is for, whose marks pytest 9.2 does not hand on.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return next((folder for folder in SHARE_A_SERVER if file.startswith(folder)), file)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Let xdist give out tests by group."""
    return Groups(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is slow, and order the files by when they should be given out."""
    need_the_run = set()
    for item in items:
        needs_the_run = "small_bank" in getattr(item, "fixturenames", ())
        if needs_the_run:
            need_the_run.add(item.nodeid.partition("::")[0])
        if needs_the_run or item.nodeid.startswith(SLOW):
            item.add_marker("slow")
        if item.nodeid.startswith(FULL):
            item.add_marker("full")
    items.sort(key=lambda item: _turn(item.nodeid.partition("::")[0], need_the_run))


def _turn(file: str, need_the_run: set[str]) -> int:
    if file == STARTS_FIRST:
        return 0
    if file not in need_the_run:
        return 1
    return 2 if file.startswith(LONGEST) else 3


@pytest.fixture(scope="module", autouse=True)
def young_garbage() -> None:
    """Leave out of the file's collections of garbage what was there before it; some tests collect each time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def fartrans() -> Path:
    """Return the folder of the FAR-Trans bank data, which lies beside the checkout and not in it."""
    folder = ROOT.parent / "shared" / "data" / "fartrans"
    if not folder.is_dir():
        pytest.skip("the FAR-Trans data is not beside this checkout (../shared/data/fartrans)")
    return folder


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder that all workers of this run of pytest share."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session")
def small_bank(shared_folder: Path) -> Path:
    """Return the TOML of a small simulated bank with small models. No test may change its files."""
    from tests.trained import make_small_bank

    return made_once(shared_folder / "small_bank.pickle", lambda: make_small_bank(shared_folder / "bank"))


@pytest.fixture(scope="session")
def trained(small_bank: Path, shared_folder: Path) -> Trained:
    """Return what `nextbest run` made of the small bank. No test may change its files."""
    from tests.trained import train_small_bank

    return made_once(shared_folder / "trained.pickle", lambda: train_small_bank(small_bank, shared_folder / "trained"))


def made_once(path: Path, make: Callable[[], T]) -> T:
    """Return what the first worker that needs it makes; it leaves it in a file for the others, who wait for it."""
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            path.write_bytes(pickle.dumps(make()))
        made: T = pickle.loads(path.read_bytes())
        return made


@pytest.fixture(scope="session")
def recommender(trained: Trained) -> Recommender:
    """Return the recommender that the shared run pushed."""
    from nextbest.serving.recommender import Recommender

    return Recommender.load(trained.models)

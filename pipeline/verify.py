"""Train a run again from what its folder says, and compare what both achieve."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from nextbest.data.errors import InputError, Problem
from nextbest.data.files import write_text
from nextbest.evaluation.agreement import EXACT, LOOSE, Disagreement, compare_evaluations, loose_share
from nextbest.evaluation.results import Evaluation
from nextbest.modelling.training import Progress
from nextbest.pipeline.config import load_config
from nextbest.pipeline.evaluate import evaluate_run
from nextbest.pipeline.run import config_digest, data_digests, start_run
from nextbest.pipeline.run_all import train_and_compose
from nextbest.pipeline.run_folder import MACHINES, RunFolder, metrics_file

if TYPE_CHECKING:
    from rich.console import Group

__all__ = ["VERIFIED", "Verification", "terminal_report", "verify"]

VERIFIED = "verify.json"


@dataclass(frozen=True)
class Verification:
    """What training again found."""

    run: str
    """The run."""
    retrained: str
    """The folder of the new one."""
    exact: bool
    """Whether it was compared to 1e-6; else within the intervals."""
    why: str
    """Why so."""
    compared: int
    """How many values were."""
    differences: tuple[Disagreement, ...]
    """Those that disagree."""

    @property
    def agrees(self) -> bool:
        """Whether all values agree."""
        return not self.differences

    def as_json(self) -> dict[str, Any]:
        """Return what verify.json holds."""
        return {"agrees": self.agrees, "comparison": "exact" if self.exact else "interval", **asdict(self)}


def verify(out: Path, into: Path | None, progress: Callable[[str], Progress]) -> Verification:
    """Train and measure a run once more, and compare all values of metrics.json but the speed.

    Args:
        out: The run.
        into: The new run's folder, RUN-verified by default; one that was killed goes on. verify.json is written there.
        progress: See `Run.show`.

    Raises:
        InputError: `out` is no trained and measured run, or its config or tables have changed since.
    """
    folder, new_folder = RunFolder(out), into or out.with_name(f"{out.name}-verified")
    manifest = folder.manifest()
    original = _read_checked(folder, manifest, new_folder)
    run = start_run(folder.path("config.toml"), new_folder, progress, Path(manifest["source"]))
    train_and_compose(run)
    retrained, again = evaluate_run(run), run.folder.manifest()
    different = _what_differs(manifest, again)
    compared, differences = compare_evaluations(original, retrained, not different)
    why = "processor flags, threads and package versions are equal"
    if different:
        share = loose_share(original)
        why = f"{'; '.join(different)}. A value without an interval may differ by {share:.1%} of itself or {LOOSE}"
    found = Verification(str(out), str(new_folder), not different, why, compared, tuple(differences))
    write_text(new_folder / VERIFIED, json.dumps(found.as_json(), indent=2) + "\n")
    return found


def _read_checked(folder: RunFolder, manifest: dict[str, Any], new_folder: Path) -> Evaluation:
    """Return the original's metrics, once all that it was made of is found to be as it was."""
    problems = []

    def add(what: str, remedy: str) -> None:
        problems.append(Problem(str(folder.root), None, None, what, remedy))

    if manifest.get("refreshed_from") is not None:
        add("this run was refreshed, not trained", "name the run that was trained")
    if "format" not in manifest:
        add(f"this is a run of nextbest {manifest.get('version')}", "train again")
    if new_folder.resolve() == folder.root.resolve():
        add("--out is the run itself", "name another --out")
    if not metrics_file(folder).is_file():
        add("the run was not measured", "measure it with `nextbest evaluate`")
    if problems:
        raise InputError(problems)
    config = load_config(folder.path("config.toml"))
    if config_digest(config) != manifest["config"]:
        add("config.toml is not that of the manifest", "take back what was changed in it")
    found = data_digests(config, Path(manifest["source"]))
    for name in sorted(found.keys() | manifest["data"].keys()):
        if found.get(name) != manifest["data"].get(name):
            add(f"the table {name} is not that of the manifest: its SHA-256 is another", "bring back the tables")
    if problems:
        raise InputError(problems)
    try:
        return Evaluation.model_validate_json(metrics_file(folder).read_text(encoding="utf-8"))
    except ValidationError as error:
        what = f"metrics.json cannot be read: {error.error_count()} values are wrong"
        raise InputError([Problem(str(metrics_file(folder)), None, None, what, "bring back the file")]) from None


def _what_differs(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Return in words what keeps two runs from being equal to the bit."""
    if not before.get(MACHINES):
        return ["the run does not say on what processor it was made"]
    differs = []
    for name, manifest in (("the run", before), ("the new run", now)):
        if len(manifest[MACHINES]) > 1:
            differs.append(f"{name} was made on {len(manifest[MACHINES])} machines")
    old, new = before[MACHINES][0], now[MACHINES][0]
    differs += [
        f"{name.replace('_', ' ')} was {old.get(name)}, now {new[name]}" for name in new if old.get(name) != new[name]
    ]
    packages = before["packages"], now["packages"]
    return differs + [
        f"{name} was {packages[0].get(name)}, now {version}"
        for name, version in packages[1].items()
        if packages[0].get(name) != version
    ]


def terminal_report(found: Verification) -> Group:
    """Return a rich renderable: what was compared, and a row for each value that disagrees."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    how = f"to {EXACT:g}" if found.exact else "within the original's intervals"
    head = Text(f"{found.compared:,} values compared {how}: {found.why}")
    if found.agrees:
        return Group(head, Text("all agree", style="green"))
    table = Table(title=f"{len(found.differences)} values differ")
    for heading in ("metric", "original", "retrained", "would agree"):
        table.add_column(heading)
    for one in found.differences:
        room = "the same" if one.low is None else f"{one.low:.6g} to {one.high:.6g}"
        table.add_row(one.metric, str(one.original), str(one.retrained), room)
    return Group(head, table)

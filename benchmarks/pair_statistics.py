"""What each pair statistic is worth to the ranker: trained with all of them, without each in turn, and without any.

python -m benchmarks.pair_statistics --config TOML [--config TOML ...] [--without NAME,NAME ...] --out DIR

With `--without` only those are left out, the ones between commas together.

The retrievers, which read no pair statistic, are trained once a config. Every ranker is measured on the config's own
test window, customer by customer; what is there is not done again.
"""

from __future__ import annotations

import argparse
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from nextbest.data.dataset import Array
from nextbest.data.files import write_text
from nextbest.evaluation.evaluate import rank_all
from nextbest.modelling.metrics import per_customer
from nextbest.modelling.training import Progress
from nextbest.pipeline.config import load_config
from nextbest.pipeline.evaluate import load_exported, make_test_set
from nextbest.pipeline.run import Run, start_run
from nextbest.pipeline.run_all import train_and_compose

WHOLE, NONE = "all", "none"


def variants(pairs: Sequence[str], without: Sequence[str] = ()) -> Iterator[tuple[str, list[str]]]:
    """Yield what a variant is called and the statistics that it has, beginning with all of them.

    Args:
        pairs: The config's.
        without: What is left out, names between commas; every one in turn, and all of them, if nothing is named.
    """
    yield WHOLE, list(pairs)
    for left_out in without or pairs:
        yield f"without {left_out}", [name for name in pairs if name not in left_out.split(",")]
    if not without:
        yield NONE, []


def measure_config(config: Path, out: Path, without: Sequence[str] = ()) -> dict[str, Array]:
    """Return each variant's main metric per test customer, and retrieval's.

    Args:
        config: A run's TOML.
        out: A folder for this config.
        without: See `variants`.
    """
    found: dict[str, Array] = {}
    for name, kept in variants(load_config(config).statistics.pairs, without):
        file = out / f"{name}.npz"
        if not file.exists():
            _measure_variant(_config_with(config, name, kept), out / "runs", name, file)
        with np.load(file) as arrays:
            found |= {name: arrays["ranking"]} | ({"retrieval": arrays["retrieval"]} if name == WHOLE else {})
    return found


def _measure_variant(config: Path, runs: Path, name: str, file: Path) -> None:
    run = start_run(config, runs / name, _say)
    if name != WHOLE:
        shutil.copytree(runs / WHOLE / "retrieval", runs / name / "retrieval", dirs_exist_ok=True)
    train_and_compose(run)
    np.savez(file, **_figures(run))  # type: ignore[arg-type]  # its stub takes arrays by name only
    if name != WHOLE:
        shutil.rmtree(runs / name)


def _figures(run: Run) -> dict[str, Array]:
    """Return the main metric per test customer of both stages."""
    snapshot, _, test_set = make_test_set(run)
    retrieval, ranking = load_exported(run, snapshot)
    config = run.config.evaluation
    lists, _ = rank_all({"retrieval": retrieval, "ranking": ranking}, test_set, config)
    return {
        model: per_customer(ranked, test_set.relevant, config.ks)[config.main_metric] for model, ranked in lists.items()
    }


def _config_with(config: Path, name: str, kept: Sequence[str]) -> Path:
    """Write the config with other pair statistics beside it, and return the file."""
    text, line = config.read_text(encoding="utf-8"), f"pairs = {list(kept)!r}".replace("'", '"')
    changed, count = re.subn(r"^pairs = .*$", line, text, flags=re.M)
    if not count:
        header = "[statistics]\n"
        changed = text.replace(header, header + line + "\n") if header in text else f"{text}\n{header}{line}\n"
    path = config.with_name(f"{config.stem} {name}.toml")
    write_text(path, changed)
    return path


def _say(step: str) -> Progress:
    print(step, flush=True)
    return lambda what, share: None


def table(found: Sequence[dict[str, Array]]) -> str:
    """Return what each variant changed, the mean over the configs with its standard error, as Markdown."""
    lines = ["| statistics | change of the ranking's main metric |", "|---|---|"]
    for name in found[0]:
        if name in (WHOLE, "retrieval"):
            continue
        changes = [float((figures[name] - figures[WHOLE]).mean()) for figures in found if name in figures]
        error = np.std(changes, ddof=1) / len(changes) ** 0.5 if len(changes) > 1 else _error(found[0], name)
        lines.append(f"| {name} | {np.mean(changes):+.4f} ± {error:.4f} |")
    return "\n".join(lines) + "\n"


def _error(figures: dict[str, Array], name: str) -> float:
    """Return the standard error over one config's customers."""
    change = figures[name] - figures[WHOLE]
    return float(change.std() / len(change) ** 0.5)


def main() -> None:
    """Measure the configs, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, action="append", required=True)
    parser.add_argument("--without", action="append", default=[])
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    found = [
        measure_config(config, arguments.out / str(number), arguments.without)
        for number, config in enumerate(arguments.config)
    ]
    write_text(arguments.out / "pair_statistics.md", table(found))
    print(table(found))


if __name__ == "__main__":
    main()

"""The command line: `python -m benchmarks.fartrans COMMAND`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from nextbest.ui.console import run_command

__all__ = ["app", "main"]

_DATA = Path(__file__).parents[3] / "shared" / "data" / "fartrans"
_GROUPS = "baselines,lightgbm,stages"
_ABLATED = "2,10,18,26"

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

Out = Annotated[Path, typer.Option("--out", help="The folder of the benchmark run; what is there is not done again.")]
Data = Annotated[Path, typer.Option(help="The folder of FAR-Trans with its splits.")]
Jobs = Annotated[int, typer.Option(min=1, help="Processes side by side.")]


@app.callback()
def fartrans() -> None:
    """FAR-Trans: real customers of a bank, and the assets that they bought first."""


@app.command("prepare")
def prepare_split(
    source: Annotated[Path, typer.Argument(help="The folder of FAR-Trans with its splits.")],
    split: Annotated[int, typer.Option("--split", min=0, help="Which split of splits.csv.")],
    out: Annotated[Path, typer.Option("--out", help="The folder to write; it must be empty or not there.")],
) -> None:
    """Write one split as the tables and the nextbest.toml that `nextbest run` reads."""
    from benchmarks.fartrans.prepare import prepare

    done = prepare(source, split, out)
    windows = done.windows
    typer.echo(
        f"wrote {done.toml}: {done.test_customers:,} test customers after {windows.test_cutoff}, "
        f"{windows.ranking_windows} ranking windows of {windows.horizon_days} days before"
    )


@app.command("run")
def run_splits(
    out: Out,
    splits: Annotated[str | None, typer.Option(help="For example 0-34, 0,4,8 or 0-34:4; all without it.")] = None,
    every: Annotated[int, typer.Option(min=1, help="Train at every n-th split, refresh at those between.")] = 1,
    seeds: Annotated[int, typer.Option(min=1, help="Train with the seeds 1 to n and take the mean.")] = 1,
    data: Data = _DATA,
    models: Annotated[str, typer.Option(help="What is measured, with commas between.")] = _GROUPS,
    template: Annotated[Path | None, typer.Option(help="A config instead of nextbest.toml.in.")] = None,
    jobs: Jobs = 1,
    keep_runs: Annotated[bool, typer.Option("--keep-runs", help="Keep the trained models.")] = False,
) -> None:
    """Measure baselines, a peer and ours on each split; a run that was broken off goes on."""
    from benchmarks.fartrans.prepare import TEMPLATE
    from benchmarks.fartrans.run import Settings, choose_groups, run, schedule
    from benchmarks.fartrans.source import choose_splits
    from nextbest.data.errors import FailedError

    settings = Settings(
        source=data.resolve(), template=(template or TEMPLATE).resolve(), out=out.resolve(), keep_runs=keep_runs
    )
    chosen = choose_splits(settings.source, splits)
    groups = choose_groups(models)
    failed = run(settings, schedule(chosen, every), groups, range(1, seeds + 1), jobs, typer.echo)
    try:
        _report(out, chosen)
    finally:
        if failed:
            raise FailedError("\n".join(failed))


@app.command("report")
def report_results(
    out: Out,
    splits: Annotated[list[str] | None, typer.Option(help="Splits to report by themselves; repeat for more.")] = None,
) -> None:
    """Write report.md and report.json again and print the tables; of all splits, and of each --splits."""
    from benchmarks.fartrans.source import parse_splits

    _report(out, None, [parse_splits(text) for text in splits or ()])


@app.command("ablate")
def ablate_parts(
    whole: Annotated[Path, typer.Option("--whole", help="The folder of a benchmark run with all parts.")],
    out: Annotated[Path, typer.Option("--out", help="The folder of the ablations; what is there is not done again.")],
    splits: Annotated[str, typer.Option(help="Splits that are trained again without each part.")] = _ABLATED,
    data: Data = _DATA,
    jobs: Jobs = 1,
) -> None:
    """Measure without each part in turn, and write what each is worth into ablations.md."""
    from benchmarks.fartrans.ablate import ablate, ablation_table
    from benchmarks.fartrans.prepare import TEMPLATE
    from benchmarks.fartrans.report import section_markdown
    from benchmarks.fartrans.run import Settings
    from benchmarks.fartrans.source import choose_splits
    from nextbest.data.errors import FailedError
    from nextbest.data.files import write_text

    settings = Settings(source=data.resolve(), template=TEMPLATE.resolve(), out=out.resolve())
    if failed := ablate(settings, choose_splits(settings.source, splits), jobs, typer.echo):
        raise FailedError("\n".join(failed))
    text = section_markdown(ablation_table(whole, out))
    write_text(out / "ablations.md", text)
    typer.echo(text)


@app.command("task", hidden=True)
def do_task(task: str) -> None:
    """Do one unit of work, given as JSON; `run` asks for it."""
    from benchmarks.fartrans.run import Task

    unit = Task.model_validate_json(task)
    if unit.group == "tables":  # here, since all other units import TensorFlow
        from benchmarks.fartrans.prepare import prepare

        (split,) = unit.splits
        prepare(unit.settings.source, split, unit.settings.tables(split), unit.settings.template)
    else:
        from benchmarks.fartrans.measure import measure

        measure(unit)


def _report(out: Path, only: list[int] | None = None, parts: Sequence[list[int]] = ()) -> None:
    """Write and print a report."""
    from benchmarks.fartrans.report import terminal, write_report
    from nextbest.ui.console import open_console

    open_console().print(terminal(write_report(out, only, parts)))
    typer.echo(f"report: {out / 'report.md'}")


def main() -> None:
    """Run a command; see `run_command` for how it ends."""
    run_command(app)


if __name__ == "__main__":
    main()

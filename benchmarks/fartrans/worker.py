"""Do one task: what runs in a process of its own."""

from __future__ import annotations

from benchmarks.fartrans.tasks import Task

__all__ = ["do"]


def do(task: Task) -> None:
    """Do what a task is about; it must not be done already. TensorFlow is imported only where it is needed."""
    match task.group:
        case "tables":
            from benchmarks.fartrans.prepare import prepare

            (split,) = task.splits
            prepare(task.settings.source, split, task.settings.tables(split), task.settings.template)
        case "baselines":
            from benchmarks.fartrans.references import measure_baselines

            measure_baselines(task)
        case "lightgbm":
            from benchmarks.fartrans.references import measure_lightgbm

            measure_lightgbm(task)
        case "stages":
            from benchmarks.fartrans.stages import measure_stages

            measure_stages(task)

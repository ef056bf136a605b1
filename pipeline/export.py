"""Push a run's models to where they are served: only those that are good enough and that load elsewhere."""

from __future__ import annotations

from pathlib import Path

from nextbest.data.problems import FailedError
from nextbest.evaluation.blessing import Blessing
from nextbest.pipeline.bless import bless_run
from nextbest.pipeline.evaluate import evaluate_run
from nextbest.pipeline.model_card import model_card
from nextbest.pipeline.run import Run
from nextbest.serving.infra import InfraBlessing, infra_validate
from nextbest.serving.push import push
from nextbest.serving.report import CARD, METRICS
from nextbest.serving.versions import COMPOSITE

__all__ = ["NotBlessedError", "export_run"]


class NotBlessedError(FailedError):
    """A run's models were not pushed, since they are not blessed."""


def export_run(run: Run, models: Path, force: bool = False) -> int:
    """Bless the run's servables, push them as one new version and return it; once per MODELS folder.

    Args:
        run: A trained run.
        models: Where models are served from.
        force: Push what is not blessed too; what does not load in a fresh process is never pushed.

    Raises:
        InputError: The run is not trained to the end.
        NotBlessedError: The models are not good enough, or do not answer elsewhere as they do here.
    """
    run.folder.check_trained()
    pushed: dict[str, int] = run.folder.manifest().get("pushed", {})
    target = str(models.resolve())
    if target not in pushed or not (models / "recommender" / str(pushed[target])).exists():
        blessing, infra = _judge(run, models, force)
        keep = run.config.export.keep_versions
        assets = {COMPOSITE: _report(run, blessing, infra)}
        pushed[target] = push(run.folder.servables(), models, _verdict(blessing, infra), keep, assets)
        run.folder.add_to_manifest(pushed=pushed)
    return pushed[target]


def _judge(run: Run, models: Path, force: bool) -> tuple[Blessing, InfraBlessing]:
    """Return both blessings, of which the first may be refused where it is forced.

    Raises:
        NotBlessedError: As for `export_run`.
    """
    blessing = bless_run(run, models)
    show = run.progress("load and ask the models in fresh processes")
    infra = infra_validate(run.folder.servables(), run.config.export.infra)
    infra.write(run.folder.path("evaluation"))
    show("done", 1.0)
    if not infra.blessed:
        raise NotBlessedError(f"{run.folder.root} was not pushed, nor can it be forced: {'; '.join(infra.reasons)}")
    if not blessing.blessed and not force:
        remedy = "train a better model, change [evaluation.blessing], or push it all the same with --force"
        raise NotBlessedError(f"{run.folder.root} was not pushed: {'; '.join(blessing.reasons)}; {remedy}")
    return blessing, infra


def _verdict(blessing: Blessing, infra: InfraBlessing) -> dict[str, object]:
    """Return what the version's manifest says of its blessings."""
    return {
        "blessing": {"blessed": blessing.blessed, "reasons": blessing.reasons},
        "infra_blessing": {"blessed": infra.blessed, "reasons": infra.reasons},
        "forced": not blessing.blessed,
    }


def _report(run: Run, blessing: Blessing, infra: InfraBlessing) -> dict[str, str]:
    """Return the files from which `serving.report` tells how good the version is."""
    evaluation = evaluate_run(run)
    return {
        METRICS: evaluation.model_dump_json(indent=2) + "\n",
        CARD: model_card(run, evaluation, blessing, infra),
    }

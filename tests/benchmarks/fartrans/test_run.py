from pathlib import Path

import pytest

from benchmarks.fartrans.__main__ import do_task
from benchmarks.fartrans.figures import Report
from benchmarks.fartrans.prepare import TEMPLATE
from benchmarks.fartrans.results import read_results
from benchmarks.fartrans.run import Settings, choose_groups, plan, run, schedule
from nextbest.data.errors import InputError
from tests.benchmarks.fartrans.miniature import command


def settings(source: Path, out: Path, template: Path = TEMPLATE) -> Settings:
    return Settings(source=source, template=template, out=out)


def test_baselines_are_measured_by_the_protocol_and_only_once(
    miniature: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    for (task,) in plan(settings(miniature, out), {7: 7}, ["baselines"], [1]):
        do_task(task.model_dump_json())
    arguments = ("run", "--data", miniature, "--splits", 7, "--models", "baselines", "--out", out)
    assert command(monkeypatch, *arguments) == 0
    assert "[1/" not in capsys.readouterr().out  # no task was left
    report = Report.model_validate_json((out / "report.json").read_text())
    # ann bought GONE, which is not eligible. bob may get FUND and NEW, each bought once before; FUND is right.
    popularity = report.parts[0].models["popularity"]
    assert {name: figure.value for name, figure in popularity.metrics.items()} == {
        "ndcg@10": 0.5,
        "recall@10": 0.5,
        "mrr@10": 0.5,
        "recall@100": 0.5,
    }
    assert list(report.parts[0].models) == ["popularity", "recent_popularity", "item_knn", "ease"]
    assert [result.customers.tolist() for result in read_results(out)] == [["ann", "bob"]]


def test_a_task_that_fails_is_named_and_the_others_are_done(miniature: Path, tmp_path: Path) -> None:
    messages: list[str] = []
    out = tmp_path / "out"
    # Split 6 knows undated purchases only, and no window can be made of them.
    (failed,) = run(settings(miniature, out), {6: 6, 7: 7}, [], [], 1, messages.append)
    assert failed.startswith("split 6: tables failed (")
    assert "splits.csv: split 6: " in failed
    assert messages[0] == f"[1/2] {failed}"
    assert messages[1].startswith("[2/2] split 7: tables: ")
    assert (out / "splits" / "7" / "nextbest.toml").is_file()
    # What is there is not done again, and other settings are not mixed into it.
    assert run(settings(miniature, out), {7: 7}, [], [], 1, messages.append) == []
    assert len(messages) == 2
    other = tmp_path / "other.toml.in"
    other.write_text(TEMPLATE.read_text() + "\n[export]\ndefault_k = 3\n")
    with pytest.raises(InputError, match="another template; name another --out"):
        run(settings(miniature, out, other), {6: 6}, [], [], 1, messages.append)
    with pytest.raises(InputError, match="another source and schedule of training"):
        run(settings(tmp_path, out), {6: 6, 7: 6}, [], [], 1, messages.append)


def test_every_group_and_seed_is_planned_in_phases(tmp_path: Path) -> None:
    phases = plan(settings(tmp_path, tmp_path), {0: 0, 1: 0, 4: 4}, ["lightgbm", "stages"], [1, 2])
    assert [[task.name for task in tasks] for tasks in phases] == [
        ["split 0: tables", "split 1: tables", "split 4: tables"],
        [f"split {split}: lightgbm, seed {seed}" for seed in (1, 2) for split in (0, 1, 4)],
        [f"{splits}: stages, seed {seed}" for seed in (1, 2) for splits in ("split 0 to 1", "split 4")],
    ]


def test_groups_are_chosen_by_name() -> None:
    assert choose_groups("stages, baselines") == ["baselines", "stages"]
    with pytest.raises(InputError, match=r"there is no group of models 'ours'; there are baselines, lightgbm, stages"):
        choose_groups("ours,stages")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--splits", "5"), "there is no split 5; it has 6, 7"),
        (("--splits", "x"), "'x' names no splits"),
        (("--models", "ours"), "there is no group of models 'ours'"),
    ],
)
def test_a_wrong_option_is_refused_before_anything_is_written(
    arguments: tuple[str, str],
    message: str,
    miniature: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert command(monkeypatch, "run", "--data", miniature, "--out", tmp_path / "out", *arguments) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_missing_data_is_refused_with_a_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(monkeypatch, "run", "--data", tmp_path / "none", "--out", tmp_path / "out") == 2
    assert "there is no such folder; give the folder that holds splits.csv" in capsys.readouterr().err


def test_every_nth_of_the_chosen_splits_is_trained() -> None:
    assert schedule([2, 3, 5, 8, 9], 2) == {2: 2, 3: 2, 5: 5, 8: 5, 9: 9}
    assert schedule([2, 3], 1) == {2: 2, 3: 3}

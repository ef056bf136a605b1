from collections import Counter
from pathlib import Path

import pytest

from benchmarks.fartrans.ablate import ABLATIONS, ablation_table, changed_template
from benchmarks.fartrans.prepare import TEMPLATE
from benchmarks.fartrans.results import result_folder
from nextbest.data.errors import InputError
from tests.benchmarks.fartrans.test_figures import result

SMALL = "[data]\nx = $x\n\n[ranking]\nrate = 2\n\n[evaluation]\nrate = 3\n"


class TestTemplate:
    def test_a_value_is_changed_in_its_section_alone(self) -> None:
        changed = changed_template(SMALL, {("ranking", "rate"): "5", ("evaluation", "k"): "7"})
        assert changed == "[data]\nx = $x\n\n[ranking]\nrate = 5\n\n[evaluation]\nk = 7\nrate = 3\n"

    def test_a_key_can_go(self) -> None:
        changed = changed_template(SMALL, {("ranking", "rate"): None, ("evaluation", "k"): None})
        assert changed == "[data]\nx = $x\n\n[ranking]\n\n[evaluation]\nrate = 3\n"

    def test_a_section_that_is_not_there_is_refused(self) -> None:
        with pytest.raises(InputError, match=r"retrieval.*no such section"):
            changed_template(SMALL, {("retrieval", "epochs"): "1"})

    @pytest.mark.parametrize("name", ABLATIONS)
    def test_each_part_can_be_left_out_of_the_benchmarks_own_config(self, name: str) -> None:
        template = TEMPLATE.read_text(encoding="utf-8")
        changes = ABLATIONS[name].changes
        before, after = (Counter(text.splitlines()) for text in (template, changed_template(template, changes)))
        assert sorted(after - before) == sorted(
            f"{key} = {value}" for (_, key), value in changes.items() if value is not None
        )
        gone = {line.partition(" = ")[0] for line in before - after}
        assert gone >= {key for (_, key), value in changes.items() if value is None}


class TestTable:
    def measured(self, folder: Path, ranking: tuple[float, float], seed: int = 1) -> None:
        """Write split 0 and 1, with the same two values of the two customers everywhere but in the ranking."""
        for split, value in enumerate(ranking):
            models = {"retrieval": (0.4, 0.6), "ranking": (value, value)}
            measured = result(split, "stages", models, seed=seed)
            measured.save(result_folder(folder, split, "stages", seed))

    def test_the_change_is_the_mean_over_splits_with_its_error(self, tmp_path: Path) -> None:
        self.measured(tmp_path / "whole", (0.5, 0.7))
        self.measured(tmp_path / "whole", (0.1, 0.2), seed=2)  # which the ablations were not trained with
        for name in ABLATIONS:
            self.measured(tmp_path / "out" / name, (0.4, 0.4))
        found = ablation_table(tmp_path / "whole", tmp_path / "out")
        assert len(found.rows) == len(ABLATIONS)
        # -0.1 and -0.3: the mean is -0.2, the deviation 0.1414, the error that over the root of 2.
        assert found.rows[0][1:] == ("0, 1", "+0.0000 ± 0.0000", "-0.2000 ± 0.1000")

    def test_a_part_that_was_not_measured_is_refused(self, tmp_path: Path) -> None:
        self.measured(tmp_path / "whole", (0.5, 0.7))
        with pytest.raises(InputError, match="no split is measured there"):
            ablation_table(tmp_path / "whole", tmp_path / "out")

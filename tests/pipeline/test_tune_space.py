"""What may be searched: keys of the config, values that it accepts, and the config's own value always among them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from nextbest.data.errors import InputError
from nextbest.data.settings import RENAMED
from nextbest.pipeline.config import RunConfig, load_config
from nextbest.pipeline.tune_space import Parameter, Stage, TuneConfig, dimensions, with_settings

CONFIG: dict[str, Any] = {
    "data": {
        "customers": {"path": "customers.csv", "id": "customer_id"},
        "products": {"path": "products.csv", "id": "product_id"},
        "interactions": {"path": "interactions.csv"},
    },
    "retrieval": {"dropout": 0.25, "embedding_dim": 48, "customer_units": [32, 16]},
}


def config_with(space: dict[str, Any], **sections: Any) -> RunConfig:
    return RunConfig.model_validate(CONFIG | sections | {"tune": {"space": space}})


def refused(space: dict[str, Any], **sections: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        config_with(space, **sections)
    return "\n".join(problem["msg"] for problem in caught.value.errors())


@pytest.mark.parametrize("stage", ["retrieval", "ranking"])
def test_the_default_space_goes_with_the_default_config(stage: Stage) -> None:
    config = config_with({})
    found = dimensions(config, config.tune, stage)
    assert found and all(dimension.key.startswith(f"{stage}.") for dimension in found)


def test_a_stage_that_the_space_does_not_name_has_the_default() -> None:
    config = config_with({"retrieval.dropout": {"low": 0.1, "high": 0.5}})
    assert [dimension.key for dimension in dimensions(config, config.tune, "retrieval")] == ["retrieval.dropout"]
    assert dimensions(config, config.tune, "ranking") == dimensions(config, TuneConfig(), "ranking")


@pytest.mark.parametrize(
    ("key", "stage"),
    [("retrieval.dropout", "retrieval"), ("statistics.ease_l2", "ranking"), ("ranking.dropout", "ranking")],
)
def test_a_key_belongs_to_one_stage(key: str, stage: Stage) -> None:
    config = config_with({key: {"low": 0.1, "high": 0.5}})
    assert [key in config.tune.space_of(each) for each in ("retrieval", "ranking")] == [
        stage == each for each in ("retrieval", "ranking")
    ]


def test_a_range_is_widened_to_the_own_value() -> None:
    config = config_with({"retrieval.dropout": {"low": 0.3, "high": 0.5}})
    (dimension,) = dimensions(config, config.tune, "retrieval")
    assert dimension.bounds == (0.25, 0.5)  # 0.25 is the config's


def test_whole_numbers_stay_whole() -> None:
    config = config_with({"retrieval.embedding_dim": {"low": 16, "high": 64.0, "log": True}})
    (dimension,) = dimensions(config, config.tune, "retrieval")
    assert repr(dimension.distribution()) == "IntDistribution(high=64, log=True, low=16, step=1)"


def test_choices_are_of_the_settings_type_and_the_own_one_comes_first() -> None:
    config = config_with({"retrieval.customer_units": {"choices": [[64], [32, 16], [64.0]]}})
    (dimension,) = dimensions(config, config.tune, "retrieval")
    assert dimension.choices == ([32, 16], [64])
    for choice in dimension.choices:
        assert dimension.decode(dimension.encode(choice)) == choice
    assert with_settings(config, {"retrieval.customer_units": [64]}).retrieval.customer_units == (64,)


def test_a_setting_that_is_off_may_be_among_choices() -> None:
    config = config_with({"retrieval.hard_negatives": {"choices": [10, 20]}})
    (dimension,) = dimensions(config, config.tune, "retrieval")
    assert dimension.choices == (None, 10, 20)


def test_a_key_of_an_earlier_version_is_refused_with_its_new_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RENAMED, "retrieval.step_size", "retrieval.learning_rate")  # type: ignore[arg-type]
    message = refused({"retrieval.step_size": {"low": 0.1, "high": 0.2}})
    assert "'retrieval.step_size', which has another name now; rename it to retrieval.learning_rate" in message


def test_all_problems_are_named_at_once() -> None:
    message = refused(
        {
            "retrieval.learning_rat": {"low": 1, "high": 2},
            "retreival.dropout": {"low": 0.1, "high": 0.2},
            "data.windows.horizon_days": {"low": 10, "high": 20},
            "retrieval": {"choices": [1]},
            "retrieval.index": {"choices": ["exact", "scann"]},
            "retrieval.dropout": {"low": 0.1, "high": 1.5},
            "retrieval.embedding_dim": {"choices": ["many", 2.5]},
            "retrieval.customer_units": {"low": 1, "high": 2},
            "retrieval.hard_negatives": {"low": 1, "high": 2},
            "retrieval.leave_one_out": {"low": 0.1, "high": 1, "log": True},
        }
    )
    for problem in (
        "'retrieval.learning_rat', which is not a key of the config; correct it: retrieval has embedding_dim, ",
        "'retreival.dropout'; only retrieval, ranking and statistics can be tuned",
        "'data.windows.horizon_days'; only",
        "'retrieval', which is a section",
        "'retrieval.index', which makes no model better",
        "tune.space.retrieval.dropout: 1.5: Input should be less than 1",
        "tune.space.retrieval.embedding_dim: 'many': Input should be a valid integer",
        "tune.space.retrieval.embedding_dim: 2.5: Input should be a valid integer",
        "tune.space.retrieval.customer_units: 1.0: Input should be a valid tuple",
        "retrieval.hard_negatives is a range, but retrieval.hard_negatives = null; set it, or give choices",
        "retrieval.leave_one_out = 0.0 has no logarithm",
    ):
        assert problem in message


@pytest.mark.parametrize(
    ("parameter", "problem"),
    [
        ({}, "give low and high, or choices"),
        ({"low": 1}, "give low and high, or choices"),
        ({"low": 1, "high": 2, "choices": [1]}, "not both"),
        ({"choices": [1], "log": True}, "not both"),
        ({"choices": []}, "choices is empty"),
        ({"low": 2, "high": 2}, "low = 2 must be below high = 2"),
        ({"low": 0, "high": 2, "log": True}, "low = 0 has no logarithm"),
        ({"low": math.nan, "high": 2}, "finite number"),
        ({"low": 1, "high": 2, "step": 1}, "Extra inputs"),
    ],
)
def test_a_parameter_is_a_range_or_choices(parameter: dict[str, Any], problem: str) -> None:
    assert problem in refused({"retrieval.epochs": parameter})


def test_the_toml_is_named_with_its_problems(tmp_path: Path) -> None:
    toml = tmp_path / "nextbest.toml"
    tables = "".join(f'[data.{name}]\npath = "x.csv"\nid = "id"\n' for name in ("customers", "products"))
    toml.write_text(
        f'{tables}[data.interactions]\npath = "x.csv"\n[tune.space]\n"retrieval.drop" = {{ low = 0, high = 1 }}\n'
    )
    with pytest.raises(InputError, match=r"nextbest\.toml: .*'retrieval\.drop', which is not a key"):
        load_config(toml)


@given(
    own=st.floats(1e-6, 1e3),
    ends=st.tuples(st.floats(1e-6, 1e3), st.floats(1e-6, 1e3)).filter(lambda ends: ends[0] < ends[1]),
    log=st.booleans(),
)
def test_every_range_holds_its_ends_and_the_own_value(own: float, ends: tuple[float, float], log: bool) -> None:
    config = config_with(
        {"retrieval.learning_rate": Parameter(low=ends[0], high=ends[1], log=log)}, retrieval={"learning_rate": own}
    )
    (dimension,) = dimensions(config, config.tune, "retrieval")
    distribution = dimension.distribution()
    for value in (own, *ends):
        assert distribution._contains(distribution.to_internal_repr(value))


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), st.lists, max_leaves=4))
def test_whatever_a_choice_is_it_is_accepted_or_refused_with_its_name(choice: Any) -> None:
    try:
        config = config_with({"retrieval.customer_units": {"choices": [choice]}})
    except ValidationError as error:
        assert "retrieval.customer_units" in str(error)
    else:
        (dimension,) = dimensions(config, config.tune, "retrieval")
        assert all(type(each) is list for each in dimension.choices)


def test_other_settings_leave_the_config_as_it_was() -> None:
    config = config_with({})
    changed = with_settings(config, {"ranking.units": [8], "retrieval.dropout": 0.5})
    assert (changed.ranking.units, changed.retrieval.dropout) == ((8,), 0.5)
    assert with_settings(changed, {"ranking.units": [128, 64], "retrieval.dropout": 0.25}) == config

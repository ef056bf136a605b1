import pytest
from pydantic import ValidationError

from nextbest.evaluation.config import EvaluationConfig


def test_main_metric_is_taken_apart() -> None:
    config = EvaluationConfig(ks=(2, 4), main_metric="recall@4")
    assert config.main_k == 4


@pytest.mark.parametrize("ks", [(), (0, 5), (5, 1), (5, 5)])
def test_ks_must_be_ascending_lengths(ks: tuple[int, ...]) -> None:
    with pytest.raises(ValidationError, match="ascending"):
        EvaluationConfig(ks=ks)


@pytest.mark.parametrize("metric", ["ndcg@7", "coverage@5", "auc"])
def test_main_metric_must_be_measured_per_customer(metric: str) -> None:
    with pytest.raises(ValidationError, match=rf"main_metric = '{metric}' is not measured; choose one of ndcg@1"):
        EvaluationConfig(main_metric=metric)


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(ValidationError, match=r"(?s)ks = .*main_metric"):
        EvaluationConfig(ks=(3, 1), main_metric="ndcg@5")


def test_unknown_key_is_an_error() -> None:
    with pytest.raises(ValidationError, match="resample"):
        EvaluationConfig.model_validate({"resample": 10})

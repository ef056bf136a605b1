"""Which version answers, and what is said when none does; without any server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from nextbest.data.dataset import Features
from nextbest.serving.backends import BackendError
from nextbest.serving.backends.config import ClientConfig
from nextbest.serving.backends.messages import ServerError, Tensor
from nextbest.serving.backends.server import ServerBackend
from nextbest.serving.backends.target import Target
from tests.serving.backends.clocks import FakeTime


def version(number: int, state: str, code: str = "OK", message: str = "") -> dict[str, Any]:
    """Return a ModelVersionStatus as TF Serving's REST writes it, numbers as words."""
    return {"version": str(number), "state": state, "status": {"error_code": code, "error_message": message}}


def tensor(dtype: str, *sizes: int) -> dict[str, Any]:
    return {"dtype": dtype, "tensor_shape": {"dim": [{"size": str(size), "name": ""} for size in sizes]}}


SIGNATURES = {
    "double": {
        "inputs": {"name": tensor("DT_STRING", -1), "number": tensor("DT_FLOAT", -1)},
        "outputs": {"result": tensor("DT_FLOAT", -1)},
    },
    "__saved_model_init_op": {"inputs": {}, "outputs": {"__saved_model_init_op": {"dtype": "DT_INVALID"}}},
}


class Scripted(ServerBackend):
    """A server that says what a test wants; it doubles numbers."""

    def __init__(self, config: ClientConfig, time: FakeTime, *statuses: list[dict[str, Any]] | ServerError) -> None:
        super().__init__(Target.parse("grpc://models:8500"), config, time.clock())
        self.statuses = list(statuses)
        self.described: list[tuple[int | None, str | None]] = []
        self.answers: list[Features | Exception] = []

    def close(self) -> None:
        pass

    def _status(self, seconds: float) -> Mapping[str, Any]:
        found = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        if isinstance(found, ServerError):
            raise found
        return {"model_version_status": found}

    def _metadata(self, version: int | None, label: str | None, seconds: float) -> Mapping[str, Any]:
        self.described.append((version, label))
        spec = {"name": "recommender", "version": str(version or 4)}
        return {"model_spec": spec, "metadata": {"signature_def": {"signature_def": SIGNATURES}}}

    def _answer(self, name: str, inputs: Features, outputs: Mapping[str, Tensor], seconds: float) -> Features:
        answer = self.answers.pop(0) if self.answers else {"result": 2 * inputs["number"]}
        if isinstance(answer, Exception):
            raise answer
        return answer


REQUEST = {"name": np.array(["Ann", "Bob"], object), "number": np.array([1.5, 1234.5], np.float32)}


def connected(config: ClientConfig | None = None) -> Scripted:
    backend = Scripted(config or ClientConfig(), FakeTime(), [version(3, "AVAILABLE")])
    backend.connect()
    return backend


def test_the_newest_available_version_answers() -> None:
    states = [version(4, "LOADING"), version(2, "AVAILABLE"), version(3, "AVAILABLE"), version(1, "END")]
    backend = Scripted(ClientConfig(), FakeTime(), states)
    backend.connect()
    assert backend.version == 3 and backend.described == [(3, None)]
    assert backend.predict("double", REQUEST)["result"].tolist() == [3, 2469]
    with pytest.raises(BackendError, match=r"version 3 has no signature 'x'; it has \['double'\]"):
        backend.inputs("x")


def test_the_wanted_version_answers() -> None:
    backend = Scripted(ClientConfig(version=2), FakeTime(), [version(2, "AVAILABLE"), version(3, "AVAILABLE")])
    backend.connect()
    assert backend.version == 2


def test_the_version_that_has_the_label_answers() -> None:
    backend = Scripted(ClientConfig(label="stable"), FakeTime(), [version(4, "AVAILABLE"), version(5, "AVAILABLE")])
    backend.connect()
    assert backend.version == 4 and backend.described == [(None, "stable")]


def test_a_loading_model_is_waited_for() -> None:
    time = FakeTime()
    loading = [[version(1, "START")], [version(1, "LOADING")], [version(1, "AVAILABLE")]]
    backend = Scripted(ClientConfig(poll_seconds=0.5), time, *loading)
    backend.connect()
    assert backend.version == 1 and time.pauses == [0.5, 0.5]


def test_a_model_is_not_waited_for_without_end() -> None:
    time = FakeTime()
    backend = Scripted(ClientConfig(loading_seconds=2, poll_seconds=0.75), time, [version(1, "LOADING")])
    with pytest.raises(BackendError, match=r"'recommender': the server is still loading it.*loading_seconds \(2\)"):
        backend.connect()
    assert time.time == 2


def test_the_wanted_version_is_waited_for_though_another_is_there() -> None:
    time = FakeTime()
    states = [version(1, "AVAILABLE"), version(2, "LOADING")], [version(1, "AVAILABLE"), version(2, "AVAILABLE")]
    backend = Scripted(ClientConfig(version=2), time, *states)
    backend.connect()
    assert backend.version == 2 and len(time.pauses) == 1


@pytest.mark.parametrize(
    ("config", "states", "said"),
    [
        (ClientConfig(), [], "offers no version"),
        (ClientConfig(), [version(1, "END")], "offers no version .1 is END"),
        (ClientConfig(version=9), [version(1, "AVAILABLE")], "does not offer version 9 .1 is AVAILABLE"),
        (
            ClientConfig(),
            [version(1, "END", "NOT_FOUND", "Op type not registered 'Scann>'"), version(2, "UNLOADING")],
            "version 1 could not be loaded: NOT_FOUND: Op type not registered 'Scann>'; fix the version",
        ),
    ],
)
def test_no_version_is_there(config: ClientConfig, states: list[dict[str, Any]], said: str) -> None:
    time = FakeTime()
    with pytest.raises(BackendError, match=f"^grpc://models:8500, model 'recommender': .*{said}"):
        Scripted(config, time, states).connect()
    assert not time.pauses


def test_an_unavailable_server_is_asked_again_for_its_status() -> None:
    backend = Scripted(ClientConfig(), FakeTime(), ServerError("UNAVAILABLE", ""), [version(1, "AVAILABLE")])
    backend.connect()
    assert backend.version == 1


def test_a_version_that_was_unloaded() -> None:
    backend = connected()
    backend.answers = [ServerError("NOT_FOUND", "Servable not found for request: Specific(recommender, 3)")]
    with pytest.raises(BackendError, match=r"Specific\(recommender, 3\); .* unloaded .* connect again"):
        backend.predict("double", REQUEST)


def test_an_error_names_who_was_asked_for_what_and_no_values() -> None:
    backend = connected()
    backend.answers = [ServerError("INVALID_ARGUMENT", "number of Bob is 1234.5")]
    with pytest.raises(BackendError) as refused:
        backend.predict("double", REQUEST)
    said = "INVALID_ARGUMENT: number of … is …; correct the feature"
    assert str(refused.value).startswith(
        f"grpc://models:8500, model 'recommender' version 3, signature 'double': {said}"
    )
    assert refused.value.__suppress_context__ and refused.value.__cause__ is None  # a traceback would tell the values


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"result": np.zeros(3, np.float32)}, r"it answered 2 customers with 'result' of shape \(3,\)"),
        ({"result": np.float32(3)}, r"it answered 2 customers with 'result' of shape \(\)"),
        (ServerError("UNIMPLEMENTED", "Bob makes no sense"), "… makes no sense; see that a TF Serving listens there"),
    ],
)
def test_an_answer_that_is_none(answer: Any, said: str) -> None:
    backend = connected()
    backend.answers = [answer]
    with pytest.raises(BackendError, match=said) as refused:
        backend.predict("double", REQUEST)
    assert "Bob" not in str(refused.value)


def test_a_part_that_fails_fails_the_request() -> None:
    backend = connected(ClientConfig(max_batch_rows=1))
    backend.answers = [{"result": np.zeros(1, np.float32)}, ServerError("INTERNAL", "broken")]
    with pytest.raises(BackendError, match="INTERNAL: broken"):
        backend.predict("double", REQUEST)


def test_nobody_is_asked_before_connecting() -> None:
    with pytest.raises(RuntimeError, match="not connected"):
        _ = Scripted(ClientConfig(), FakeTime(), []).version

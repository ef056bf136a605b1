"""The clients at the emulator, by gRPC and by REST: faults, credentials, versions that come and go."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import numpy as np
import pytest
from grpc import StatusCode

from nextbest.data.errors import InputError
from nextbest.serving.backends import BackendError
from nextbest.serving.backends.config import ClientConfig
from nextbest.serving.backends.connect import TOKEN_VARIABLE, connect
from nextbest.serving.backends.server import Clock, ServerBackend
from tests.serving.backends.clocks import FakeTime
from tests.serving.backends.conftest import TRANSPORTS, url_of
from tests.tf_serving_emulator import Certificate, Emulator, make_certificate

ZOE = {"name": np.array(["Zoë"], object)}

Connect = Callable[..., ServerBackend]


@pytest.fixture(params=TRANSPORTS)
def transport(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def connecting(transport: str) -> Iterator[Connect]:
    """Return a function that connects to the echo model of an emulator; the test's end closes the backend."""
    with ExitStack() as opened:

        def connect_to(emulator: Emulator, passing: FakeTime | None = None, **settings: object) -> ServerBackend:
            config = ClientConfig.model_validate({"model": "echo", **settings})
            clock = (passing or FakeTime()).clock()
            return opened.enter_context(closing(connect(url_of(emulator, transport), config, clock)))

        yield connect_to


def greeting(backend: ServerBackend) -> list[str]:
    return backend.predict("greet", ZOE)["greeting"].tolist()


def predictions(emulator: Emulator) -> int:
    return sum(call.method == "Predict" for call in emulator.traffic.calls)


def add_version(emulator: Emulator, models: Path, version: int) -> None:
    shutil.copytree(models / "echo" / "1", models / "echo" / f"staging-{version}")
    (models / "echo" / f"staging-{version}").rename(models / "echo" / str(version))
    emulator.poll()


class TestFaults:
    def test_an_unavailable_server_is_asked_again(self, echoing: Emulator, connecting: Connect) -> None:
        passing = FakeTime()
        backend = connecting(echoing, passing, backoff_seconds=0.25)
        echoing.traffic.fail(2, "Predict")
        assert greeting(backend) == ["hello Zoë"]
        assert predictions(echoing) == 3 and len(passing.pauses) == 2

    def test_not_more_often_than_told(self, echoing: Emulator, connecting: Connect) -> None:
        backend = connecting(echoing, attempts=2)
        echoing.traffic.fail(9, "Predict")
        with pytest.raises(BackendError, match=r"version 1, signature 'greet': UNAVAILABLE: .*up to 2 times"):
            greeting(backend)
        assert predictions(echoing) == 2

    @pytest.mark.parametrize(
        "code", ["INTERNAL", "RESOURCE_EXHAUSTED", "PERMISSION_DENIED", "DEADLINE_EXCEEDED", "INVALID_ARGUMENT"]
    )
    def test_another_error_is_told_at_once(self, echoing: Emulator, connecting: Connect, code: str) -> None:
        backend = connecting(echoing)
        echoing.traffic.fail(1, "Predict", StatusCode[code])
        with pytest.raises(BackendError, match=f"{code}: the test lets this request fail"):
            greeting(backend)
        assert predictions(echoing) == 1
        assert greeting(backend) == ["hello Zoë"]

    def test_a_server_that_does_not_answer_in_time(self, echoing: Emulator, connecting: Connect) -> None:
        backend = connecting(echoing, deadline_seconds=0.2)
        with (
            echoing.traffic.hold("Predict"),
            pytest.raises(BackendError, match=r"DEADLINE_EXCEEDED: .*raise deadline_seconds \(0.2\)"),
        ):
            greeting(backend)
        assert predictions(echoing) == 1

    def test_a_server_that_is_not_there(self, echo_models: Path, connecting: Connect) -> None:
        with Emulator(echo_models) as gone:
            pass
        passing = FakeTime()
        with pytest.raises(BackendError, match=r"^(grpc|http)://127.0.0.1:\d+, model 'echo': UNAVAILABLE: .*refused"):
            connecting(gone, passing)
        assert len(passing.pauses) == 3

    def test_a_server_that_comes_back(self, echo_models: Path, transport: str) -> None:
        with ExitStack() as opened:
            with Emulator(echo_models) as first:
                ports = {"grpc_port": first.grpc_port, "rest_port": first.rest_port}
                pauses: list[float] = []

                def restart_and_wait(seconds: float) -> None:
                    if not pauses:
                        opened.enter_context(Emulator(echo_models, **ports))
                    pauses.append(seconds)
                    time.sleep(seconds)  # a channel that could not connect waits in true time

                config = ClientConfig(model="echo", attempts=100)
                backend = connect(url_of(first, transport), config, Clock(sleep=restart_and_wait))
                opened.callback(backend.close)
            assert greeting(backend) == ["hello Zoë"]
            assert pauses

    @pytest.mark.parametrize(("rows", "what"), [(3000, "request"), (1500, "answer")])
    def test_messages_that_are_too_large(
        self, echoing: Emulator, connecting: Connect, transport: str, rows: int, what: str
    ) -> None:
        # A name takes 3 bytes by gRPC and 4 by REST, a greeting at least 9: 4,500 and 13,500 bytes of 1,500 customers.
        names = {"name": np.full(rows, "A", object)}
        backend = connecting(echoing, max_message_bytes=8192, max_batch_rows=rows)
        with pytest.raises(BackendError, match=r"RESOURCE_EXHAUSTED: .*raise max_message_bytes \(8192\)"):
            backend.predict("greet", names)
        assert predictions(echoing) == (what == "answer")
        parts = connecting(echoing, max_message_bytes=8192, max_batch_rows=500)
        assert parts.predict("greet", names)["greeting"].tolist() == ["hello A"] * rows


class TestVersions:
    def test_the_version_of_the_connection_goes_on(
        self, echo_models: Path, tmp_path: Path, connecting: Connect
    ) -> None:
        models = shutil.copytree(echo_models, tmp_path / "models")
        with Emulator(models, num_versions=2) as emulator:
            backend = connecting(emulator)
            add_version(emulator, models, 2)
            assert backend.version == 1 and greeting(backend) == ["hello Zoë"]
            assert connecting(emulator).version == 2
            assert connecting(emulator, version=1).version == 1

    def test_a_version_that_was_unloaded(self, echoing: Emulator, tmp_path: Path, connecting: Connect) -> None:
        backend = connecting(echoing)
        add_version(echoing, tmp_path / "models", 2)
        with pytest.raises(BackendError, match=r"NOT_FOUND: .*Specific\(echo, 1\).* connect again"):
            greeting(backend)
        assert connecting(echoing).version == 2

    def test_a_label(self, echo_models: Path, tmp_path: Path, connecting: Connect) -> None:
        models = shutil.copytree(echo_models, tmp_path / "models")
        with Emulator(models, num_versions=2) as emulator:
            add_version(emulator, models, 2)
            emulator.set_label("echo", "stable", 1)
            backend = connecting(emulator, label="stable")
            emulator.set_label("echo", "stable", 2)
            assert backend.version == 1 and greeting(backend) == ["hello Zoë"]
            assert connecting(emulator, label="stable").version == 2
            with pytest.raises(BackendError, match=r"Unrecognized servable version label: canary; correct .*label"):
                connecting(emulator, label="canary")

    def test_a_model_that_is_loading(self, echo_models: Path, tmp_path: Path, connecting: Connect) -> None:
        models = tmp_path / "models"
        models.mkdir()
        with Emulator(models) as emulator, ExitStack() as held:
            held.enter_context(emulator.hold_loading("echo", 1))
            shutil.copytree(echo_models / "echo", models / "echo")
            emulator.poll()
            passing = FakeTime(on_sleep=held.close)
            assert greeting(connecting(emulator, passing, poll_seconds=0.5)) == ["hello Zoë"]
            assert passing.pauses == [0.5]

    def test_a_model_that_could_not_be_loaded(self, echo_models: Path, tmp_path: Path, connecting: Connect) -> None:
        models = tmp_path / "models"
        models.mkdir()
        with Emulator(models) as emulator:
            emulator.fail_loading("echo", 1, "Op type not registered 'Magic'", StatusCode.NOT_FOUND)
            shutil.copytree(echo_models / "echo", models / "echo")
            emulator.poll()
            with pytest.raises(BackendError, match=r"version 1 could not be loaded: NOT_FOUND: Op type .* 'Magic'"):
                connecting(emulator)

    def test_a_model_that_is_not_served(self, echoing: Emulator, connecting: Connect) -> None:
        with pytest.raises(
            BackendError, match=r"NOT_FOUND: Could not find any versions of model bank; .*models.config"
        ):
            connecting(echoing, model="bank")


class TestCredentials:
    @pytest.fixture
    def guarded(self, echo_models: Path) -> Iterator[Emulator]:
        with Emulator(echo_models, authorization="Bearer s3cret") as running:
            yield running

    @pytest.fixture(scope="class")
    @classmethod
    def certificate(cls, tmp_path_factory: pytest.TempPathFactory) -> Certificate:
        if shutil.which("openssl") is None:
            pytest.skip("there is no openssl to make a certificate with")
        return make_certificate(tmp_path_factory.mktemp("tls"))

    @pytest.fixture
    def secure(self, echo_models: Path, certificate: Certificate) -> Iterator[Emulator]:
        with Emulator(echo_models, tls=certificate) as running:
            yield running

    @staticmethod
    def _secure_url(emulator: Emulator, transport: str) -> str:
        return url_of(emulator, transport).replace("grpc://", "grpcs://")

    def test_a_token_of_a_file(self, guarded: Emulator, connecting: Connect, tmp_path: Path) -> None:
        (tmp_path / "token").write_text("s3cret\n")
        assert greeting(connecting(guarded, token_file=tmp_path / "token")) == ["hello Zoë"]

    def test_a_token_of_the_environment(
        self, guarded: Emulator, connecting: Connect, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(TOKEN_VARIABLE, "s3cret")
        assert greeting(connecting(guarded)) == ["hello Zoë"]

    def test_no_token(self, guarded: Emulator, connecting: Connect) -> None:
        with pytest.raises(
            BackendError, match=r"UNAUTHENTICATED: .*; put a token .* into token_file or NEXTBEST_TOKEN"
        ):
            connecting(guarded)

    def test_a_secure_server(self, secure: Emulator, certificate: Certificate, transport: str) -> None:
        config = ClientConfig(model="echo", ca_file=certificate.certificate)
        with closing(connect(self._secure_url(secure, transport), config)) as backend:
            assert greeting(backend) == ["hello Zoë"]

    def test_a_server_that_nobody_vouches_for(self, secure: Emulator, transport: str) -> None:
        passing = FakeTime()
        with pytest.raises(BackendError, match=r": TLS: .*CERTIFICATE_VERIFY_FAILED.*; set ca_file"):
            connect(self._secure_url(secure, transport), ClientConfig(model="echo"), passing.clock())
        assert not passing.pauses

    @pytest.mark.parametrize("authority", ["localhost", "localhost:443"])
    def test_the_certificates_name_may_be_told(
        self, secure: Emulator, certificate: Certificate, transport: str, authority: str
    ) -> None:
        config = ClientConfig(model="echo", ca_file=certificate.certificate, authority=authority)
        with closing(connect(self._secure_url(secure, transport), config)) as backend:
            assert greeting(backend) == ["hello Zoë"]
        if transport == "rest":
            assert {call.headers["host"] for call in secure.traffic.calls} == {authority}

    def test_a_certificate_of_another_name(self, secure: Emulator, certificate: Certificate, transport: str) -> None:
        config = ClientConfig(model="echo", ca_file=certificate.certificate, authority="models.bank.example")
        with pytest.raises(BackendError, match=r": TLS: .*authority"):
            connect(self._secure_url(secure, transport), config, FakeTime().clock())

    def test_a_server_without_tls(self, echoing: Emulator, transport: str) -> None:
        url = url_of(echoing, transport).replace("grpc://", "grpcs://").replace("http://", "https://")
        with pytest.raises(BackendError, match=r": TLS: .*do without TLS"):
            connect(url, ClientConfig(model="echo"), FakeTime().clock())

    def test_what_cannot_be_used_is_told_before_anybody_is_asked(self, echoing: Emulator, transport: str) -> None:
        before = len(echoing.traffic.calls)
        with pytest.raises(InputError, match="does not use TLS"):
            connect(url_of(echoing, transport), ClientConfig(ca_file=Path("ca.pem")))
        assert len(echoing.traffic.calls) == before


def test_the_wrong_port(echoing: Emulator) -> None:
    with pytest.raises(BackendError, match=r"UNIMPLEMENTED: it does not speak HTTP/1.1 .*8501 for REST"):
        connect(f"http://127.0.0.1:{echoing.grpc_port}", ClientConfig(), FakeTime().clock())
    with pytest.raises(BackendError, match=r"UNAVAILABLE: .*8500 for gRPC"):
        connect(f"grpc://127.0.0.1:{echoing.rest_port}", ClientConfig(), FakeTime().clock())


def test_proxies_of_the_environment_are_not_used(echoing: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "grpc_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    for transport in TRANSPORTS:
        with closing(connect(url_of(echoing, transport), ClientConfig(model="echo"))) as backend:
            assert greeting(backend) == ["hello Zoë"]

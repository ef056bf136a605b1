"""The emulator as a test starts it: the models, the two ports, what a test may change, and a certificate for TLS."""

from __future__ import annotations

import subprocess
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

from grpc import StatusCode
from tensorflow_serving.apis import get_model_status_pb2

from tests.tf_serving_emulator.grpc_api import GrpcApi
from tests.tf_serving_emulator.models import Models
from tests.tf_serving_emulator.rest_api import RestApi
from tests.tf_serving_emulator.traffic import Certificate, ServingError, Traffic

__all__ = ["Emulator", "make_certificate"]

_HOST = "127.0.0.1"


class Emulator:
    """Serves MODELS/NAME/VERSION on 127.0.0.1 within a `with` block."""

    def __init__(
        self,
        models: Path,
        *,
        num_versions: int = 1,
        authorization: str | None = None,
        tls: Certificate | None = None,
        grpc_port: int = 0,
        rest_port: int = 0,
    ) -> None:
        """Describe a server; entering it loads the models and opens the ports.

        Args:
            models: MODELS; every folder in it is a model.
            num_versions: How many versions of a model are served, the newest ones.
            authorization: What the header `authorization` must say; None requires none.
            tls: The certificate of both ports; None is plain text.
            grpc_port: 0 is any free one.
            rest_port: 0 is any free one.
        """
        self.traffic = Traffic(authorization)
        """The requests so far (`calls`), and faults that a test sets: `fail`, `hold`."""
        self._models = Models(models, num_versions)
        self._tls = tls
        self._ports = (grpc_port, rest_port)

    def __enter__(self) -> Emulator:
        with ExitStack() as opened:
            opened.callback(self._models.close)
            self.poll()  # before the ports open, as BuildAndStart in model_servers/server.cc does
            self._grpc = GrpcApi(self._models, self.traffic, f"{_HOST}:{self._ports[0]}", self._tls)
            opened.callback(self._grpc.close)
            self._rest = RestApi(self._models, self.traffic, (_HOST, self._ports[1]), self._tls)
            opened.callback(self._rest.close)
            opened.callback(self.traffic.close)
            self._opened = opened.pop_all()
        return self

    def __exit__(self, *_) -> None:
        self._opened.close()

    @property
    def grpc_port(self) -> int:
        """The port of PredictionService and ModelService."""
        return self._grpc.port

    @property
    def rest_port(self) -> int:
        """The port of /v1/models."""
        return self._rest.port

    @property
    def grpc_target(self) -> str:
        """HOST:PORT for a gRPC channel."""
        return f"{_HOST}:{self.grpc_port}"

    @property
    def rest_url(self) -> str:
        """The start of a URL, e.g. http://127.0.0.1:8501."""
        return f"{'https' if self._tls else 'http'}://{_HOST}:{self.rest_port}"

    def poll(self) -> None:
        """Load the versions that are new on disk, then unload those that they replace. Returns when that is done."""
        self._models.poll()

    def states(self, name: str) -> dict[int, str]:
        """Return version -> START, LOADING, AVAILABLE, UNLOADING or END."""
        name_of = get_model_status_pb2.ModelVersionStatus.State.Name
        return {version: name_of(state) for version, (state, _) in sorted(self._models.states(name).items())}

    def set_label(self, name: str, label: str, version: int) -> None:
        """Let a label (stable, canary) name a version."""
        self._models.set_label(name, label, version)

    def hold_loading(self, name: str, version: int) -> AbstractContextManager[None]:
        """Keep a version LOADING when a poll finds it, and load it at the end of the `with` block."""
        return self._models.hold_loading(name, version)

    def fail_loading(self, name: str, version: int, message: str, code: StatusCode = StatusCode.INTERNAL) -> None:
        """Let a version that a poll finds fail to load: its state is END, with this error."""
        self._models.fail_loading(name, version, ServingError(code, message))


def make_certificate(folder: Path) -> Certificate:
    """Make a self-signed certificate for 127.0.0.1 and localhost that is valid for a day.

    Raises:
        FileNotFoundError: There is no openssl command.
    """
    made = Certificate(folder / "certificate.pem", folder / "key.pem")
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", str(made.key)]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    command = ["openssl", "req", "-x509", *key, *names, "-days", "1", "-out", str(made.certificate)]
    subprocess.run(command, check=True, capture_output=True)
    return made

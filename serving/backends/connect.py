"""Connect to a TF Serving."""

from __future__ import annotations

from nextbest.serving.backends.config import ClientConfig
from nextbest.serving.backends.credentials import read_token, tls_context
from nextbest.serving.backends.retry import Clock
from nextbest.serving.backends.server import ServerBackend
from nextbest.serving.backends.target import Target

__all__ = ["connect"]


def connect(url: str, config: ClientConfig | None = None, clock: Clock | None = None) -> ServerBackend:
    """Connect to a server; who calls closes the backend.

    It is asked directly: proxies of the environment are not used.

    Args:
        url: grpc://HOST:PORT, grpcs://HOST:PORT, http://HOST:PORT[/PREFIX] or https://HOST:PORT[/PREFIX].
        config: How it is asked, and for which model.
        clock: The time.

    Returns:
        The backend; its `version` is the one that answers from now on.

    Raises:
        InputError: The URL, a file that the config names, or the token cannot be used.
        BackendError: The server does not answer, or does not serve the model.
    """
    target, config, clock = Target.parse(url), config or ClientConfig(), clock or Clock()
    token, tls = read_token(target, config), tls_context(target, config)
    backend: ServerBackend
    if target.rest:
        from nextbest.serving.backends.rest import RestBackend

        backend = RestBackend(target, config, clock, token, tls)
    else:
        from nextbest.serving.backends.grpc import GrpcBackend  # imports TensorFlow

        backend = GrpcBackend(target, config, clock, token)
    try:
        backend.connect()
    except BaseException:
        backend.close()
        raise
    return backend

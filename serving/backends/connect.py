"""From a URL and settings to a connected TF Serving: its token and its certificates are checked first."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator

from nextbest.data.errors import InputError, Problem
from nextbest.serving.backends.config import ClientConfig
from nextbest.serving.backends.server import Clock, ServerBackend
from nextbest.serving.backends.target import Target

__all__ = ["TOKEN_VARIABLE", "connect", "read_token", "tls_context"]


def connect(url: str, config: ClientConfig | None = None, clock: Clock | None = None) -> ServerBackend:
    """Connect to a server; the caller closes the backend.

    The connection is direct: proxies of the environment are not used.

    Args:
        url: grpc://HOST:PORT, grpcs://HOST:PORT, http://HOST:PORT[/PREFIX] or https://HOST:PORT[/PREFIX].
        config: The client's settings, with the model.
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


TOKEN_VARIABLE = "NEXTBEST_TOKEN"


def read_token(target: Target, config: ClientConfig) -> str | None:
    """Return the token to send, None where none is set.

    Raises:
        InputError: It cannot be read or cannot be a header, or it would go unencrypted to another machine.
    """
    try:
        token = config.token_file.read_text("utf-8").strip() if config.token_file else os.environ.get(TOKEN_VARIABLE)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError([_problem(config, f"it cannot be read ({error})", "fix it or name another file")]) from None
    if not token and not config.token_file:
        return None
    problems = []
    if not token or not (token.isascii() and token.isprintable() and " " not in token):
        problems.append(_problem(config, "it holds no token: visible ASCII without spaces", "fix it"))
    if not (target.secure or target.loopback or config.allow_plain_text_token):
        remedy = "use grpcs:// or https://, or set allow_plain_text_token where the network is trusted"
        problems.append(_problem(config, f"the token would go unencrypted to {target}", remedy))
    if problems:
        raise InputError(problems)
    return token


def tls_context(target: Target, config: ClientConfig) -> ssl.SSLContext | None:
    """Return how a secure target is trusted, None for another one.

    Raises:
        InputError: A file cannot be read or is not PEM, or files are named for a target that is not secure.
    """
    if problems := list(_file_problems(target, config)):
        raise InputError(problems)
    if not target.secure:
        return None
    try:
        context = ssl.create_default_context(cafile=config.ca_file)
    except ssl.SSLError as error:
        raise InputError([_not_pem("ca_file", config.ca_file, error)]) from None
    if config.cert_file and config.key_file:
        try:
            # Without this answer OpenSSL would ask at the terminal.
            context.load_cert_chain(config.cert_file, config.key_file, password=lambda: "")
        except ssl.SSLError as error:
            raise InputError([_not_pem("cert_file, key_file", config.cert_file, error)]) from None
    return context


def _file_problems(target: Target, config: ClientConfig) -> Iterator[Problem]:
    for name in ("ca_file", "cert_file", "key_file"):
        path = getattr(config, name)
        if path is None:
            continue
        if not target.secure:
            yield Problem(str(path), name, None, f"{target} does not use TLS", "use grpcs:// or https://, or remove it")
        elif not os.access(path, os.R_OK) or not path.is_file():
            yield Problem(str(path), name, None, "there is no such file that can be read", "fix it")


def _not_pem(name: str, path: object, error: ssl.SSLError) -> Problem:
    remedy = "name a PEM certificate, and the unencrypted PEM key that belongs to it"
    return Problem(str(path), name, None, f"it cannot be used ({error.reason or error})", remedy)


def _problem(config: ClientConfig, what: str, remedy: str) -> Problem:
    return Problem(str(config.token_file or TOKEN_VARIABLE), None, None, what, remedy)

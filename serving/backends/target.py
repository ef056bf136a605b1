"""The URL of a server."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from nextbest.data.errors import InputError, Problem, quote_value

__all__ = ["Target"]

_FORMS = "name local, grpc://HOST:PORT, grpcs://HOST:PORT, http://HOST:PORT[/PREFIX] or https://HOST:PORT[/PREFIX]"
_SECURE = {"grpc": False, "grpcs": True, "http": False, "https": True}
_HTTP_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Target:
    """Where a server is."""

    scheme: str
    """grpc, grpcs, http or https."""
    host: str
    """A name or an address, an IPv6 one without its brackets."""
    port: int
    prefix: str = ""
    """What precedes `/v1` in the paths of REST, without a slash at its end."""

    @classmethod
    def parse(cls, url: str) -> Target:
        """Read a URL.

        Raises:
            InputError: It is not the URL of a server.
        """
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise _input_error(quote_value(url), f"it is not a URL ({error})") from None
        name = quote_value(parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl())  # never a password
        if what := _problem(parts, port):
            raise _input_error(name, what)
        assert parts.hostname is not None
        return cls(parts.scheme, parts.hostname, port or _HTTP_PORTS[parts.scheme], parts.path.rstrip("/"))

    @property
    def secure(self) -> bool:
        """Whether the server is called by TLS."""
        return _SECURE[self.scheme]

    @property
    def rest(self) -> bool:
        """Whether the server is called by REST, else by gRPC."""
        return self.scheme in _HTTP_PORTS

    @property
    def address(self) -> str:
        """HOST:PORT."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def loopback(self) -> bool:
        """Whether the server is on this machine, as far as the URL tells."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.address}{self.prefix}"


def _problem(parts: SplitResult, port: int | None) -> str | None:
    if parts.scheme not in _SECURE:
        return f"{parts.scheme!r} is not a way to call a server" if parts.scheme else "it is not a URL"
    if not parts.hostname:
        return "it names no host"
    if "@" in parts.netloc:
        return "it holds a user or a password (a token goes into token_file or NEXTBEST_TOKEN)"
    if port == 0 or (port is None and parts.scheme not in _HTTP_PORTS):
        return "it names no port (TF Serving's own are 8500 for gRPC and 8501 for REST)"
    if parts.query or parts.fragment or (parts.path.strip("/") and parts.scheme not in _HTTP_PORTS):
        return "it goes on after the address"
    return None


def _input_error(name: str, what: str) -> InputError:
    return InputError([Problem(f"backend {name}", None, None, what, _FORMS)])

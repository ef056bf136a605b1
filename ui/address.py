"""The address that the page listens on."""

from __future__ import annotations

import socket

from nextbest.data.problems import InputError, Problem

__all__ = ["check_address"]


def check_address(host: str, port: int) -> None:
    """Refuse an address that cannot be listened on, before anything is loaded.

    Args:
        host: A name or an address of this machine.
        port: 0 is any free one.

    Raises:
        InputError: It is none of this machine, or the port is taken.
    """
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as a server does: a port just closed is free
        try:
            tried.bind((host, port))
        except OSError as error:
            what = f"{host}:{port} cannot be listened on ({error.strerror})"
            remedy = "name an address of this machine with --host and a free port with --port (0 takes one)"
            raise InputError([Problem("the page", None, None, what, remedy)]) from None

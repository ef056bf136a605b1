"""The page's web server: for this machine alone, with its own folder of uploads, and nothing that leaves.

`check_address` refuses an address before anything is loaded, and `open_page` serves the page until a block ends.
"""

from __future__ import annotations

import hmac
import os
import socket
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from nextbest.data.errors import InputError, Problem
from nextbest.serving.language import LANGUAGES, language_of, messages
from nextbest.serving.live import LiveRecommender
from nextbest.ui.page.config import PageConfig, read_accounts

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["InLanguage", "Shield", "check_address", "open_page"]

_GRADIO = {"label-done": "common.complete", "label-queue": "status.queue_position"}
"""Messages -> texts that screen readers say after an answer and before it. Gradio 6.31 lacks the first, so that its key
would be read; the second it has in English alone."""


def check_address(host: str, port: int) -> None:
    """Refuse an address that cannot be listened on, before anything is loaded.

    Args:
        host: A name or an address of this machine.
        port: 0 is any free one.

    Raises:
        InputError: It is not an address of this machine, or the port is in use.
    """
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as a server does: a port just closed is free
        try:
            tried.bind((host, port))
        except OSError as error:
            what = f"{host}:{port} cannot be listened on ({error.strerror})"
            remedy = "name an address of this machine with --host and a free port with --port (0 takes one)"
            raise InputError([Problem("the page", None, None, what, remedy)]) from None


@contextmanager
def open_page(live: LiveRecommender, config: PageConfig) -> Iterator[str]:
    """Serve the page until the block ends, and yield its address.

    Args:
        live: What the page recommends with.
        config: The page's settings.

    Raises:
        InputError: The accounts cannot be read.
        OSError: The port is in use.
    """
    accounts = read_accounts(config)
    if not config.port:  # gradio would not say which one it got
        config = config.model_copy(update={"port": _free_port(config.host)})
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read while gradio is imported
    import gradio as gr
    from starlette.middleware import Middleware

    from nextbest.ui.page.app import build_page
    from nextbest.ui.page.theme import HEAD, make_theme

    with _own_folder():
        page = build_page(live, config)
        try:
            _, address, _ = page.launch(
                server_name=config.host,
                server_port=config.port,
                auth=_account_check(accounts) if accounts else None,
                max_file_size=f"{config.upload_megabytes}mb",
                allowed_paths=[],
                blocked_paths=[],
                share=False,
                run_history=False,
                enable_monitoring=False,
                mcp_server=False,
                ssr_mode=False,
                pwa=False,
                footer_links=[],
                theme=make_theme(),
                head=HEAD,
                i18n=gr.I18n(**{code: _labels(code) for code in LANGUAGES}),
                app_kwargs={"middleware": [Middleware(Shield), Middleware(InLanguage)]},
                prevent_thread_lock=True,
                quiet=True,
            )
            yield address
        finally:
            page.close(verbose=False)


def _labels(code: str) -> dict[str, str]:
    """Return what the browser writes on the page's fixed parts."""
    labels = messages("label-", code)
    return {_GRADIO.get(key, key): text for key, text in labels.items()}


@contextmanager
def _own_folder() -> Iterator[None]:
    """Give uploads and answers a folder that only this user may read, and remove it with all of them at the end."""
    variable = "GRADIO_TEMP_DIR"
    before = os.environ.get(variable)
    with tempfile.TemporaryDirectory(prefix="nextbest-page-") as folder:
        os.environ[variable] = folder
        try:
            yield
        finally:
            if before is None:
                del os.environ[variable]
            else:
                os.environ[variable] = before


def _free_port(host: str) -> int:
    with socket.create_server((host, 0)) as found:
        return int(found.getsockname()[1])


def _account_check(accounts: Sequence[tuple[str, str]]) -> Callable[[str, str], bool]:
    """Return a check of user and password, whose duration does not reveal how similar they are."""
    known = [f"{user}:{password}".encode() for user, password in accounts]

    def is_known(user: str, password: str) -> bool:
        account = f"{user}:{password}".encode()
        return any([hmac.compare_digest(account, one) for one in known])

    return is_known


_HEADERS = {
    # Gradio's own scripts and styles are inline and are compiled in the browser; nothing comes from another server.
    b"content-security-policy": b"default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
    b"style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
    b"connect-src 'self' data: blob:; worker-src 'self' blob:; object-src 'none'; base-uri 'self'; "
    b"form-action 'self'; frame-ancestors 'none'",
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
}


class Shield:
    """Forbids the browser all other servers, and the server to fetch addresses for a client."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *_HEADERS.items()]
            await send(message)

        # Gradio streams `file=https://...` from that server to the client.
        if "=http:" in scope["path"] or "=https:" in scope["path"]:
            await _forbid(with_headers)
        else:
            await self._app(scope, receive, with_headers)


async def _forbid(send: Callable[[Message], Any]) -> None:
    await send({"type": "http.response.start", "status": 403, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"files of other servers are not fetched"})


class InLanguage:
    """Says in which language a page is, before gradio's scripts ask the browser: one decision for all of its words."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        from starlette.requests import Request

        asked = Request(scope)
        code = language_of(asked.query_params, asked.headers)
        is_page = False

        async def with_language(message: Message) -> None:
            nonlocal is_page
            if message["type"] == "http.response.start":
                is_page = dict(message["headers"]).get(b"content-type", b"").startswith(b"text/html")
                if is_page:  # which becomes longer
                    message["headers"] = [pair for pair in message["headers"] if pair[0] != b"content-length"]
            elif is_page:
                message["body"] = _in_language(message["body"], code)
            await send(message)

        await self._app(scope, receive, with_language)


def _in_language(page: bytes, code: str) -> bytes:
    script = f"<script>Object.defineProperty(navigator, 'language', {{ get: () => '{code}' }})</script>"
    page = page.replace(b'lang="en"', f'lang="{code}"'.encode(), 1)
    return page.replace(b"<head>", f"<head>{script}".encode(), 1)

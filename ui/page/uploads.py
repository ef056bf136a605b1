"""Uploaded files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

__all__ = ["upload_of"]


def upload_of(**settings: Any) -> gr.File:
    """Return a component for a file of the upload folder.

    Gradio's own would also fetch an address that a client names in place of a file. (A class of its own would make
    gradio write a stub file beside this module.)

    Args:
        **settings: Of `gr.File`.
    """
    file = gr.File(**settings)
    move = file.async_move_resource_to_block_cache

    async def move_local(url_or_file_path: str | Path | None) -> str | None:
        if url_or_file_path is not None and "://" in str(url_or_file_path):
            raise gr.Error("Upload the file itself, not an address.", print_exception=False)
        return await move(url_or_file_path)

    file.async_move_resource_to_block_cache = move_local  # type: ignore[method-assign]
    return file

"""The pushed versions as people and machines read them."""

from __future__ import annotations

from collections.abc import Sequence

from nextbest.serving.versions import Version
from nextbest.ui.console import open_console

__all__ = ["print_versions"]

_WORDS = {True: "yes", False: "no", None: "-"}


def print_versions(found: Sequence[Version]) -> None:
    """Print a table, the newest last."""
    from rich.table import Table

    table = Table()
    for heading in ("version", "pushed (UTC)", "blessed", "loads elsewhere", "forced", "rollback of", "models"):
        table.add_column(heading)
    for version in found:
        models = ", ".join(version.models) + ("" if version.complete else " (incomplete)")
        table.add_row(
            str(version.number),
            f"{version.pushed_at:%Y-%m-%d %H:%M}",
            _WORDS[version.blessed],
            _WORDS[version.infra_blessed],
            _WORDS[version.forced],
            str(version.rolled_back_to or "-"),
            models,
        )
    open_console().print(table)

from pathlib import Path

import pytest

from tests.benchmarks.fartrans.miniature import FILES, write


@pytest.fixture
def miniature(tmp_path: Path) -> Path:
    """Return a folder in the format of FAR-Trans."""
    folder = tmp_path / "fartrans"
    folder.mkdir()
    for name, text in FILES.items():
        write(folder / name, text)
    return folder

"""The recommender whose answers come from a server."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from nextbest.data.errors import InputError
from nextbest.serving.backends import BackendError
from nextbest.serving.backends.config import ClientConfig
from nextbest.serving.recommender import Recommender
from nextbest.serving.requests import requests_for_ids, take
from tests.conftest import ROOT
from tests.serving.backends.conftest import TRANSPORTS, url_of
from tests.tf_serving_emulator import Emulator

# Whoever imports TensorFlow here fails.
THIN_CLIENT = """
import json, sys
sys.modules["tensorflow"] = None
from pathlib import Path
from serving.recommender import Recommender
from serving.requests import take
recommender = Recommender.load(Path(sys.argv[1]), sys.argv[2])
found = recommender.recommend(take(recommender.customers().columns, slice(20)), 5)
recommender.close()
json.dump(found.product_id.tolist(), sys.stdout)
"""


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_answers_come_from_the_server_and_the_rest_from_models(
    emulator: Emulator, served_models: Path, recommender: Recommender, transport: str
) -> None:
    with closing(Recommender.load(served_models, url_of(emulator, transport))) as served:
        assert served.folder == served_models / "recommender" / "1"
        np.testing.assert_array_equal(served.products.ids, recommender.products.ids)
        ids = recommender.customers().ids[:3]
        request = requests_for_ids(served, ids)
        found, expected = served.recommend(request, 5), recommender.recommend(request, 5)
        np.testing.assert_array_equal(found.product_id, expected.product_id)


def test_a_version_that_models_lacks(emulator: Emulator, tmp_path: Path) -> None:
    (tmp_path / "recommender" / "6").mkdir(parents=True)
    with pytest.raises(InputError, match=r"version 1, which http://.* serves, is not there \(there are \[6\]\); name"):
        Recommender.load(tmp_path, emulator.rest_url)


def test_what_is_no_backend(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="backend 'locl': it is not a URL; name local, grpc://"):
        Recommender.load(tmp_path, "locl")


def test_the_config_is_heeded(emulator: Emulator, served_models: Path) -> None:
    with pytest.raises(BackendError, match="does not offer version 8"):
        Recommender.load(served_models, emulator.rest_url, ClientConfig(version=8))


def test_rest_needs_no_tensorflow(emulator: Emulator, served_models: Path, recommender: Recommender) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", THIN_CLIENT, served_models, emulator.rest_url],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    expected = recommender.recommend(take(recommender.customers().columns, slice(20)), 5)
    assert json.loads(done.stdout) == expected.product_id.tolist()

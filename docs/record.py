"""Record what the documentation shows of models: REST requests with their answers, and what the notebooks print.

After `make run`, in the checkout:

    python -m docs.record

It reads `bank/`, `runs/demo` and `models` and writes docs/recorded/. The answers come through the emulator of TF
Serving that the tests use, of the same models.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import re
import tempfile
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
from jupyter_client.manager import KernelManager
from nbclient import NotebookClient

from nextbest.serving.recommender import Filters, Recommender
from nextbest.serving.requests import requests_for_ids
from tests.tf_serving_emulator import Emulator

DOCS = Path(__file__).resolve().parent
RECORDED = DOCS / "recorded"
_CUSTOMER = "C000001"
_CELL_SECONDS = 300


def run_notebooks(folder: Path) -> dict[str, list[str]]:
    """Run the notebooks in a folder that holds what `make run` makes, one after the other in one kernel.

    Returns:
        Notebook -> what each cell of code printed.

    Raises:
        CellExecutionError: A cell failed.
    """
    printed = {}
    with tempfile.TemporaryDirectory() as scratch:  # for what Jupyter would leave in the home folder
        connection = str(Path(scratch) / "kernel.json")
        kernel = KernelManager(kernel_name="python3", transport="ipc", connection_file=connection)
        environment = {**os.environ, "PYTHONPATH": str(DOCS.parent / "src"), "IPYTHONDIR": scratch}
        kernel.start_kernel(cwd=str(folder), env=environment)
        try:
            for path in sorted((DOCS / "notebooks").glob("*.ipynb")):
                notebook = nbformat.read(path, as_version=4)
                client = NotebookClient(notebook, timeout=_CELL_SECONDS, km=kernel)
                client.execute()
                if client.kc is not None:
                    client.kc.stop_channels()
                printed[path.stem] = [_text(cell) for cell in notebook.cells if cell.cell_type == "code"]
        finally:
            kernel.shutdown_kernel(now=True)
    return printed


def _text(cell: Any) -> str:
    """Return what a cell of code printed; what goes to standard error is left out."""
    return "".join(output.text for output in cell.outputs if output.get("name") == "stdout")


def rest_requests(recommender: Recommender) -> dict[str, Any]:
    """Return requests by name: a tf.Example with a few features, and a row of all raw inputs.

    NAME.json holds a request's body, NAME_answer.json its answer.
    """
    request = requests_for_ids(recommender, np.array([_CUSTOMER], object))
    filters = Filters(max_risk=3.0).arrays(1)
    inputs = recommender.complete({**request, **filters}, 1) | {"k": np.array([3])}
    row = {name: _plain(name, values[0]) for name, values in sorted(inputs.items())}
    for kind in recommender.history_lists:  # the padding of a list says nothing
        row[f"{kind}_products"] = [product for product in row[f"{kind}_products"] if product]
        row[f"{kind}_days"] = row[f"{kind}_days"][: len(row[f"{kind}_products"])]
    return {
        "rest_example": {"inputs": {"examples": [{"b64": base64.b64encode(_example()).decode()}]}},
        "rest_columns": {"signature_name": "recommend", "instances": [row]},
    }


def _example() -> bytes:
    """Return a tf.Example of someone of 41 years who earns 52,000, has saved 8,000 and holds P0001."""
    from tensorflow import train

    numbers = {"age": 41.0, "income": 52_000.0, "savings": 8_000.0, "risk_tolerance": 3.0}
    features = {name: train.Feature(float_list=train.FloatList(value=[value])) for name, value in numbers.items()}
    features["held_products"] = train.Feature(bytes_list=train.BytesList(value=[b"P0001"]))
    features["k"] = train.Feature(int64_list=train.Int64List(value=[3]))
    example = train.Example(features=train.Features(feature=features))
    return bytes(example.SerializeToString(deterministic=True))


def _plain(name: str, values: Any) -> Any:
    """Return a value or a list as JSON has it, which knows no NaN, with no more digits than float32 has."""
    if np.asarray(values).dtype == np.float32:
        if np.isnan(values).any():
            raise ValueError(f"{_CUSTOMER} has no {name}; choose a customer of whom all is known")
        return float(str(values))
    return values.tolist() if hasattr(values, "tolist") else values


def ask(address: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Send a request to a server's `recommender`."""
    url = f"{address}/v1/models/recommender:predict"
    with urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode(), method="POST")) as answer:
        read: dict[str, Any] = json.load(answer)
        return read


def main() -> None:
    """Write docs/recorded/."""
    parser = argparse.ArgumentParser(prog="python -m docs.record", description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path(), help="where bank/, runs/demo and models are")
    folder = parser.parse_args().folder.resolve()
    recommender = Recommender.load(folder / "models")
    bank = {"customers": len(recommender.customers().ids), "products": len(recommender.products.ids)}
    _write("bank", bank)
    with tempfile.TemporaryDirectory() as served:
        (Path(served) / "recommender").symlink_to(folder / "models" / "recommender")
        with Emulator(Path(served)) as emulator:
            for name, body in rest_requests(recommender).items():
                _write(name, body)
                _write(f"{name}_answer", ask(emulator.rest_url, body))
    _write("notebooks", run_notebooks(folder))


def _write(name: str, content: Any) -> None:
    text = json.dumps(content, indent=1, ensure_ascii=False)
    if name != "notebooks":  # an innermost list in one line
        text = re.sub(r"\[\s+([^][{}]*?)\s+\]", lambda found: f"[{' '.join(found[1].split())}]", text)
    (RECORDED / f"{name}.json").write_text(f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main()

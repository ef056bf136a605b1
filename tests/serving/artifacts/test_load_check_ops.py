"""What a stock TensorFlow Serving could not run is found in a model's file, whatever this process has loaded."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

import nextbest.serving.artifacts.load_check
from nextbest.serving.artifacts.load_check import UnsupportedOpsError, check_ops, read_ops, unsupported_ops
from tests.trained import Trained

STOCK = ("retrieval", "ranking", "recommender")


def save(folder: Path, function: Callable[[Any], Any]) -> Path:
    module = tf.Module()
    module.call = tf.function(function, input_signature=[tf.TensorSpec([None], tf.float32)])
    tf.saved_model.save(module, str(folder), signatures=module.call)
    return folder


def plant(folder: Path, *graphs: Any) -> Path:
    """Write a SavedModel of bare graphs; there is nothing that could be loaded."""
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    model = SavedModel(meta_graphs=[{"graph_def": graph} for graph in graphs])
    (folder / "saved_model.pb").write_bytes(model.SerializeToString())
    return folder


def graph(*ops: str, **functions: str) -> dict[str, Any]:
    """Return a GraphDef with nodes of these ops, and functions of one op each in its library."""
    library = [{"signature": {"name": name}, "node_def": [{"op": op}]} for name, op in functions.items()]
    return {"node": [{"op": op} for op in ops], "library": {"function": library}}


@pytest.mark.parametrize("name", STOCK)
def test_the_stock_models_hold_only_tensorflows_ops(trained: Trained, name: str) -> None:
    folder = trained.models / name / "1"
    assert unsupported_ops(folder) == {}
    check_ops(folder)
    assert read_ops(folder) >= {"ParseExampleV2", "MatMul", "RestoreV2"}


def test_the_scann_model_holds_scanns_besides(trained: Trained) -> None:
    import scann  # noqa: F401 its ops are registered in this process, and still no stock server has them

    folder = trained.models / "retrieval_scann" / "1"
    assert unsupported_ops(folder).keys() == {"Scann>ScannSearchBatched", "Scann>TensorsToScann"}
    check_ops(folder, ("Scann>",))
    for allowed in ((), ("Scanner>", "Text>")):
        with pytest.raises(
            UnsupportedOpsError, match=r"retrieval_scann/1 holds (.|\n)* Scann>TensorsToScann .* op library"
        ):
            check_ops(folder, allowed)


def test_the_model_is_not_loaded(trained: Trained, tmp_path: Path) -> None:
    # Its graph alone: without variables nothing could load it.
    whole = trained.models / "recommender" / "1"
    shutil.copy(whole / "saved_model.pb", tmp_path)
    assert read_ops(tmp_path) == read_ops(whole)


@pytest.mark.parametrize(
    ("function", "op"),
    [
        (lambda x: tf.ensure_shape(tf.py_function(lambda y: y + 1, [x], tf.float32), [None]), "EagerPyFunc"),
        (lambda x: tf.ensure_shape(tf.numpy_function(lambda y: y + 1, [x], tf.float32), [None]), "PyFunc"),
        (lambda x: tf.numpy_function(lambda y: y + 1, [x], tf.float32, stateful=False), "PyFuncStateless"),
    ],
)
def test_python_is_refused(tmp_path: Path, function: Callable[[Any], Any], op: str) -> None:
    folder = save(tmp_path / "planted", function)
    assert unsupported_ops(folder).keys() == {op}
    with pytest.raises(
        UnsupportedOpsError, match=f"planted holds .*\n  {op} calls Python.*; write it with TensorFlow's own"
    ):
        check_ops(folder, ("Scann>",))


def test_a_file_that_is_read_when_it_is_asked_is_refused(tmp_path: Path) -> None:
    folder = save(tmp_path / "planted", lambda x: x + tf.strings.to_number(tf.io.read_file("rate.txt")))
    assert unsupported_ops(folder).keys() == {"ReadFile"}
    with pytest.raises(UnsupportedOpsError, match="ReadFile uses files or the network"):
        check_ops(folder)


def test_a_vocabulary_in_the_models_own_assets_is_fine(tmp_path: Path) -> None:
    words = tmp_path / "words.txt"
    words.write_text("a\nb\n", encoding="utf-8")
    module = tf.Module()
    rows = tf.lookup.TextFileInitializer(
        str(words), tf.string, tf.lookup.TextFileIndex.WHOLE_LINE, tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER
    )
    module.table = tf.lookup.StaticHashTable(rows, -1)
    module.call = tf.function(lambda x: module.table.lookup(x), input_signature=[tf.TensorSpec([None], tf.string)])
    tf.saved_model.save(module, str(tmp_path / "model"))
    assert "InitializeTableFromTextFileV2" in read_ops(tmp_path / "model")
    check_ops(tmp_path / "model")


class TestPlacesOfAnOp:
    """No part of the file is overlooked."""

    def test_the_graph(self, tmp_path: Path) -> None:
        assert unsupported_ops(plant(tmp_path, graph("Add", "Bank>Rate"))).keys() == {"Bank>Rate"}

    def test_a_function_of_the_library(self, tmp_path: Path) -> None:
        assert unsupported_ops(plant(tmp_path, graph("Add", inner="Bank>Rate"))).keys() == {"Bank>Rate"}

    def test_another_meta_graph(self, tmp_path: Path) -> None:
        folder = plant(tmp_path, graph("Add"), graph("NoOp", inner="PyFunc"))
        assert read_ops(folder) == {"Add", "NoOp", "PyFunc"}
        assert unsupported_ops(folder).keys() == {"PyFunc"}

    def test_a_node_that_calls_a_function_by_its_name(self, tmp_path: Path) -> None:
        assert read_ops(plant(tmp_path, graph("inner", inner="Add"))) == {"Add"}
        assert read_ops(plant(tmp_path, graph("inner"), graph(inner="Add"))) == {"Add", "inner"}  # another's function


def test_every_foreign_op_is_named(tmp_path: Path) -> None:
    folder = plant(tmp_path, graph("Bank>Rate", "CaseFoldUTF8", "PyFunc", "WriteFile", "Add"))
    with pytest.raises(UnsupportedOpsError) as refused:
        check_ops(folder, ("Bank>",))
    named = [line.split()[0] for line in str(refused.value).splitlines()[1:]]
    assert named == ["CaseFoldUTF8", "PyFunc", "WriteFile"]


def test_a_folder_without_a_model(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"saved_model\.pb"):
        check_ops(tmp_path)
    for content, message in ((b"no model", "is not a SavedModel; export it again"), (b"", "holds no graph")):
        (tmp_path / "saved_model.pb").write_bytes(content)
        with pytest.raises(UnsupportedOpsError, match=message):
            check_ops(tmp_path)


# Arguments that name a place outside of the graph, and the ops that may have one: what SavedModels are loaded and saved
# with, and what only counts or formats.
OUTSIDE = {"address", "ckpt_path", "db_uri", "debug_urls", "driver_name", "file_pattern", "filename", "filenames"}
OUTSIDE |= {"chunk_file", "directory", "logdir", "path", "prefix", "shard_dir", "snapshot_path", "vocab_file"}
OF_THE_FORMAT = {"RestoreV2", "SaveV2", "InitializeTableFromTextFile", "InitializeTableFromTextFileV2"}


def test_the_ops_that_touch_files_are_complete() -> None:
    """TensorFlow's own descriptions of its ops say which have such an argument; a new release may bring others."""
    from tensorflow.python.framework import op_def_registry

    stock = {name: op_def_registry.get(name) for name in dir(tf.raw_ops)}
    described = {name: {arg.name for arg in (*op.input_arg, *op.attr)} for name, op in stock.items() if op}
    touching = {name for name, arguments in described.items() if arguments & OUTSIDE}
    checked = nextbest.serving.artifacts.load_check
    assert touching - OF_THE_FORMAT <= checked._FILE_AND_NETWORK_OPS
    assert described.keys() >= checked._FILE_AND_NETWORK_OPS | checked._PYTHON_OPS  # no name is misspelt

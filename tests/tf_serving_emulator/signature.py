"""One Predict request against one servable; servables/tensorflow/predict_util.cc."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import tensorflow as tf
from grpc import StatusCode
from tensorflow.core.framework import tensor_pb2
from tensorflow.core.protobuf import meta_graph_pb2
from tensorflow_serving.apis import model_pb2, predict_pb2

from tests.tf_serving_emulator.errors import ServingError, invalid
from tests.tf_serving_emulator.servable import Servable
from tests.tf_serving_emulator.tensors import to_proto

__all__ = ["DEFAULT_SIGNATURE", "run_predict"]

DEFAULT_SIGNATURE = "serving_default"


def run_predict(servable: Servable, request: predict_pb2.PredictRequest) -> predict_pb2.PredictResponse:
    """Answer a signature of a servable; RunPredict in servables/tensorflow/predict_util.cc.

    Raises:
        ServingError: The request does not fit.
    """
    name = request.model_spec.signature_name or DEFAULT_SIGNATURE
    if name not in servable.signatures:
        raise ServingError(StatusCode.FAILED_PRECONDITION, f'Serving signature key "{name}" not found.')
    signature = servable.signatures[name]
    _check_size(signature, request.inputs)
    feeds = _feeds(signature, request.inputs)
    aliases = _aliases(signature, request.output_filter)
    found = servable.run(feeds, [signature.outputs[alias].name for alias in aliases])
    # MakeModelSpec in servables/tensorflow/util.cc: the answer names the signature also where the request did not.
    spec = model_pb2.ModelSpec(name=request.model_spec.name, signature_name=name)
    outputs = {alias: to_proto(np.asarray(values)) for alias, values in zip(aliases, found, strict=True)}
    return predict_pb2.PredictResponse(model_spec=spec, outputs=outputs)


def _check_size(signature: meta_graph_pb2.SignatureDef, inputs: Mapping[str, tensor_pb2.TensorProto]) -> None:
    """VerifyRequestInputsSize in servables/tensorflow/predict_util.cc."""
    sent, wanted = set(inputs), set(signature.inputs)
    if len(sent) > len(wanted) or (len(sent) < len(wanted) and not signature.defaults):
        raise invalid(
            f"input size does not match signature: {len(sent)}!={len(wanted)} len({_set(sent)}) != "
            f"len({_set(wanted)}). Sent extra: {_set(sent - wanted)}. Missing but required: {_set(wanted - sent)}."
        )


def _feeds(
    signature: meta_graph_pb2.SignatureDef, inputs: Mapping[str, tensor_pb2.TensorProto]
) -> list[tuple[str, np.ndarray]]:
    """GetInputValues in TensorFlow's cc/saved_model/util.cc."""
    feeds = []
    for alias, info in sorted(signature.inputs.items()):
        if alias not in inputs and alias not in signature.defaults:
            raise invalid(
                f"Signature input alias: {alias}(feed name: {info.name}) not found in request and no default value "
                f"provided. Inputs expected to be in the request {_set(inputs)}, or default input alias set: "
                + ",".join(sorted(signature.defaults))
            )
        try:
            feeds.append((info.name, tf.make_ndarray(inputs[alias] if alias in inputs else signature.defaults[alias])))
        except (TypeError, ValueError) as error:
            raise invalid(f"tensor parsing error: {alias}") from error
    if set(inputs) - set(signature.inputs):
        used = sorted(set(inputs) & set(signature.inputs))
        raise invalid(
            f"Inputs contains invalid name. Used request inputs: {','.join(used)}, "
            f"request input: {','.join(sorted(inputs))}"
        )
    return feeds


def _aliases(signature: meta_graph_pb2.SignatureDef, wanted: Iterable[str]) -> list[str]:
    """PreProcessPrediction in servables/tensorflow/predict_util.cc."""
    aliases: list[str] = []
    for alias in wanted:
        if alias not in signature.outputs:
            raise invalid(
                f"output tensor alias not found in signature: {alias} Outputs expected to be in the set "
                f"{_set(signature.outputs)}."
            )
        if alias in aliases:
            raise invalid(f"duplicate output tensor alias: {alias}")
        aliases.append(alias)
    return aliases or sorted(signature.outputs)


def _set(names: Iterable[str]) -> str:
    return "{" + ",".join(sorted(names)) + "}"

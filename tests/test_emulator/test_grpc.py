"""The emulator answers raw gRPC requests as TensorFlow Serving's sources say that it would."""

from __future__ import annotations

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_management_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
    regression_pb2,
)

from tests.test_emulator.orders import ORDER, TYPES, Code, grpc_predict, grpc_refused, predict_request
from tests.tf_serving_emulator import Emulator


class TestGrpcPredict:
    def test_answers_the_default_signature_and_says_who_answered(self, server: Emulator) -> None:
        response = grpc_predict(server, predict_request(ORDER))
        spec = response.model_spec
        assert (spec.name, spec.version.value, spec.signature_name) == ("orders", 1, "serving_default")
        found = {name: tf.make_ndarray(proto).tolist() for name, proto in response.outputs.items()}
        np.testing.assert_allclose(found.pop("total"), [1.5, 1.1], rtol=1e-6)  # 2 (0.5 + 0.25), 1 (1.0 + 0.1)
        assert found == {"count": [4, 2], "line": [b"tea!", b"\xff!"], "line_bytes": [b"tea", b"\xff"]}

    def test_values_stand_in_the_field_of_their_type(self, server: Emulator) -> None:
        outputs = grpc_predict(server, predict_request(ORDER)).outputs
        assert list(outputs["count"].int64_val) == [4, 2]
        assert len(outputs["total"].float_val) == 2
        assert not any(proto.tensor_content for proto in outputs.values())

    def test_version_label_signature_and_filter(self, server: Emulator) -> None:
        for spec in ({"version": 1}, {"version_label": "stable"}):
            response = grpc_predict(server, predict_request({"x": [3.0]}, signature_name="half", **spec))
            assert list(response.outputs["y"].float_val) == [1.5]
            assert response.model_spec.version.value == 1
            assert response.model_spec.signature_name == "half"
        request = predict_request(ORDER)
        request.output_filter.append("count")
        assert set(grpc_predict(server, request).outputs) == {"count"}

    @pytest.mark.parametrize(
        ("request_", "code", "message"),
        [
            (predict_request({}, name="shop"), Code.NOT_FOUND, "Servable not found for request: Latest(shop)"),
            (predict_request({}, version=7), Code.NOT_FOUND, "Servable not found for request: Specific(orders, 7)"),
            (
                predict_request({}, version_label="canary"),
                Code.INVALID_ARGUMENT,
                "Unrecognized servable version label: canary",
            ),
            (predict_request({}, name=""), Code.INVALID_ARGUMENT, "ModelSpec has no name specified."),
            (predict_pb2.PredictRequest(), Code.INVALID_ARGUMENT, "Missing ModelSpec"),
            (
                predict_request({}, signature_name="buy"),
                Code.FAILED_PRECONDITION,
                'Serving signature key "buy" not found.',
            ),
            (
                predict_request({"x": [1.0]}),
                Code.INVALID_ARGUMENT,
                "input size does not match signature: 1!=3 len({x}) != len({count,name,prices}). "
                "Sent extra: {x}. Missing but required: {count,name,prices}.",
            ),
            (
                predict_request({"x": [1.0], "z": [1.0]}, signature_name="half"),
                Code.INVALID_ARGUMENT,
                "input size does not match signature: 2!=1 len({x,z}) != len({x}). "
                "Sent extra: {z}. Missing but required: {}.",
            ),
            (
                predict_request({"z": [1.0]}, signature_name="half"),
                Code.INVALID_ARGUMENT,
                "Signature input alias: x(feed name: half_x:0) not found in request and no default value provided. "
                "Inputs expected to be in the request {z}, or default input alias set: ",
            ),
            (
                predict_request(ORDER | {"count": [2.0, 1.0]}, TYPES | {"count": tf.float32}),
                Code.INVALID_ARGUMENT,
                "Expects arg[0] to be int64 but float is provided",
            ),
        ],
    )
    def test_refuses(
        self, server: Emulator, request_: predict_pb2.PredictRequest, code: grpc.StatusCode, message: str
    ) -> None:
        assert grpc_refused(server, request_) == (code, message)

    def test_graph_refuses_shapes_and_values(self, server: Emulator) -> None:
        code, message = grpc_refused(server, predict_request(ORDER | {"prices": [[1.0], [2.0]]}))
        assert code is Code.INVALID_ARGUMENT
        assert "Matrix size-incompatible: In[0]: [2,1], In[1]: [2,2]" in message
        code, message = grpc_refused(server, predict_request(ORDER | {"count": [1, 0]}))
        assert code is Code.INVALID_ARGUMENT
        assert "count: must be above 0" in message

    def test_refuses_outputs(self, server: Emulator) -> None:
        request = predict_request({"x": [1.0]}, signature_name="half")
        request.output_filter.extend(["y", "y"])
        assert grpc_refused(server, request) == (Code.INVALID_ARGUMENT, "duplicate output tensor alias: y")
        request.output_filter[:] = ["z"]
        message = "output tensor alias not found in signature: z Outputs expected to be in the set {y}."
        assert grpc_refused(server, request) == (Code.INVALID_ARGUMENT, message)

    def test_refuses_a_broken_tensor(self, server: Emulator) -> None:
        request = predict_request({"x": [1.0]}, signature_name="half")
        request.inputs["x"].tensor_shape.dim[0].size = 2
        request.inputs["x"].tensor_content = b"123"
        assert grpc_refused(server, request) == (Code.INVALID_ARGUMENT, "tensor parsing error: x")

    def test_cuts_long_messages(self, server: Emulator) -> None:
        _, message = grpc_refused(server, predict_request({}, name="m" * 2000))
        assert len(message) == 1024 + len("...TRUNCATED")
        assert message.endswith("mmm...TRUNCATED")

    def test_takes_more_than_four_megabytes(self, server: Emulator) -> None:
        values = np.arange(1_500_000, dtype=np.float32)  # 6 MB, and a client takes 4 MB where it is not told otherwise
        request = predict_request({"x": values}, signature_name="half")
        assert grpc_refused(server, request)[0] is Code.RESOURCE_EXHAUSTED
        request = predict_request({"x": values}, signature_name="total")
        assert list(grpc_predict(server, request).outputs["sum"].float_val) == [pytest.approx(values.sum())]


class TestGrpcOthers:
    def test_metadata(self, server: Emulator) -> None:
        with grpc.insecure_channel(server.grpc_target) as channel:
            stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            request = get_model_metadata_pb2.GetModelMetadataRequest(model_spec={"name": "orders"})
            request.metadata_field.append("signature_def")
            response = stub.GetModelMetadata(request)
            assert (response.model_spec.name, response.model_spec.version.value) == ("orders", 1)
            signatures = get_model_metadata_pb2.SignatureDefMap()
            assert response.metadata["signature_def"].Unpack(signatures)
            assert set(signatures.signature_def["half"].inputs) == {"x"}
            request.metadata_field[:] = ["assets"]
            with pytest.raises(grpc.RpcError, match=r"Metadata field %s is not supportedassets"):
                stub.GetModelMetadata(request)
            del request.metadata_field[:]
            with pytest.raises(grpc.RpcError, match="must specify at least one metadata_field"):
                stub.GetModelMetadata(request)

    def test_status(self, server: Emulator) -> None:
        with grpc.insecure_channel(server.grpc_target) as channel:
            stub = model_service_pb2_grpc.ModelServiceStub(channel)
            request = get_model_status_pb2.GetModelStatusRequest(model_spec={"name": "orders"})
            (found,) = stub.GetModelStatus(request).model_version_status
            assert (found.version, found.state, found.status.error_code) == (1, found.AVAILABLE, 0)
            request.model_spec.version.value = 9
            with pytest.raises(grpc.RpcError) as refused:
                stub.GetModelStatus(request)
            assert refused.value.code() is Code.NOT_FOUND
            assert refused.value.details() == "Could not find version 9 of model orders"

    def test_what_is_not_served(self, server: Emulator) -> None:
        with grpc.insecure_channel(server.grpc_target) as channel:
            stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            service = model_service_pb2_grpc.ModelServiceStub(channel)
            spec = {"name": "orders"}
            calls = [
                (stub.Classify, classification_pb2.ClassificationRequest(model_spec=spec), Code.INVALID_ARGUMENT),
                (stub.Regress, regression_pb2.RegressionRequest(model_spec=spec), Code.INVALID_ARGUMENT),
                (stub.MultiInference, inference_pb2.MultiInferenceRequest(), Code.UNIMPLEMENTED),
                (
                    service.HandleReloadConfigRequest,
                    model_management_pb2.ReloadConfigRequest(),
                    Code.UNIMPLEMENTED,
                ),
            ]
            for call, request, code in calls:
                with pytest.raises(grpc.RpcError) as refused:
                    call(request)
                assert refused.value.code() is code

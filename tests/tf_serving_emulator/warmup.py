"""The replay of a version's warmup requests, without which the real server does not call it available."""

from __future__ import annotations

from pathlib import Path

import tensorflow as tf
from google.protobuf.message import DecodeError
from grpc import StatusCode
from tensorflow_serving.apis import prediction_log_pb2

from tests.tf_serving_emulator.errors import ServingError, invalid, of_runtime
from tests.tf_serving_emulator.servable import Servable
from tests.tf_serving_emulator.signature import run_predict

__all__ = ["warm_up"]

_FILE = Path("assets.extra", "tf_serving_warmup_requests")
_MAX_RECORDS = 1000  # kMaxNumRecords in servables/tensorflow/saved_model_warmup_util.h


def warm_up(servable: Servable, folder: Path) -> None:
    """Replay assets.extra/tf_serving_warmup_requests; servables/tensorflow/saved_model_warmup_util.cc.

    Raises:
        ServingError: The file is broken, or a request of it is refused.
    """
    path = folder / _FILE
    if not path.exists():
        return
    try:
        records = [record.numpy() for record in tf.data.TFRecordDataset(str(path))]
    except tf.errors.OpError as error:
        known = of_runtime(error)
        raise ServingError(
            known.code, f"{known.message}. Please verify your warmup data is in TFRecord format."
        ) from error
    if len(records) > _MAX_RECORDS:
        raise invalid(f"Number of warmup records exceeds the maximum ({_MAX_RECORDS}) at {path}")
    for record in records:
        try:
            log = prediction_log_pb2.PredictionLog.FromString(record)
        except DecodeError as error:
            raise invalid(f"Failed to parse warmup record: {record!r} from {path}") from error
        if log.WhichOneof("log_type") != "predict_log":
            raise ServingError(StatusCode.UNIMPLEMENTED, "the emulator replays nothing but predict_log warmup records")
        run_predict(servable, log.predict_log.request)

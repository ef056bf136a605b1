"""An emulator of TensorFlow Serving's gRPC and REST surface over exported SavedModels, for the tests of the clients.

It does what the clients rely on: models and versions come and go, labels, load failures, status and metadata, Predict
by gRPC and by REST (columns and rows), and the error codes. A comment names the file of tensorflow/serving (below
`tensorflow_serving/`) where a behaviour comes from. Signatures run in TensorFlow's own runtime, so what a graph refuses
reads as it does there.

Left out: batching, warmup requests, output filters, Classify, Regress and MultiInference, reloads of the config,
metrics, compressed request bodies. Most error texts are shorter than the real ones.

Unlike the real server it serves every folder of MODELS, can hold or fail loads and requests, can require an
`authorization` header, and speaks TLS on both ports (the real one does so for gRPC alone, and leaves headers to a
proxy).
"""

from tests.tf_serving_emulator.server import Emulator, make_certificate
from tests.tf_serving_emulator.traffic import Call, Certificate, ServingError

__all__ = ["Call", "Certificate", "Emulator", "ServingError", "make_certificate"]

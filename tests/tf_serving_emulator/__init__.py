"""An emulator of TensorFlow Serving's gRPC and REST surface over exported SavedModels, for tests only.

It follows tensorflow/serving's C++ sources; a comment beside each behaviour names the file that it is taken from, below
`tensorflow_serving/`. Signatures run in a session of the same TensorFlow runtime, so what a graph refuses, and in which
words, is the runtime's own.

Left out: batching, request timeouts, Classify, Regress and MultiInference where a signature offers them, reloads of the
config, metrics, chunked request bodies. A version that fails to load is not retried.

Unlike the real server it serves every folder of MODELS (not what a `models.config` lists), can hold versions while they
load, hold or fail requests, ask for a header, and speak TLS on both ports (the real one has TLS for gRPC alone and asks
for no header: a proxy does).
"""

from tests.tf_serving_emulator.certificates import Certificate, self_signed
from tests.tf_serving_emulator.emulator import Emulator
from tests.tf_serving_emulator.errors import ServingError
from tests.tf_serving_emulator.traffic import Call

__all__ = ["Call", "Certificate", "Emulator", "ServingError", "self_signed"]

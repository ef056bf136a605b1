"""What runs the recommender model: this process, or a TF Serving by gRPC or REST; all behind one interface."""

from nextbest.serving.backends.backend import Backend, BackendError, InputSpec

__all__ = ["Backend", "BackendError", "InputSpec"]

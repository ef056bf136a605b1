"""Where the composite is asked: in this process, or at a TF Serving by gRPC or REST; all behind one interface."""

from nextbest.serving.backends.backend import Backend, BackendError, InputSpec

__all__ = ["Backend", "BackendError", "InputSpec"]

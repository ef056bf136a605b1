"""Settings that hold before any test here imports shap."""

from __future__ import annotations

import os

# To compile shap's loops takes 18 seconds; to run them as they are, on what the tests explain, none.
os.environ.setdefault("NUMBA_DISABLE_JIT", "1")

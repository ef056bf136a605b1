"""Settings that hold before any test here imports shap."""

from __future__ import annotations

import os

os.environ.setdefault("NUMBA_DISABLE_JIT", "1")  # as in tests/serving/insights

"""Real data sets and peers beside ours; run from the checkout as `python -m benchmarks.NAME`."""

import nextbest  # noqa: F401 - it says which Keras TensorFlow takes, before any benchmark imports that

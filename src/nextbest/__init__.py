"""nextbest: a two-stage recommender of a bank customer's next best products."""

import os

# TensorFlow Recommenders refuses Keras 3, and TensorFlow reads both when it is imported: so they are set before any
# module of ours can import it.
os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # a machine without a GPU is no error; failures still raise

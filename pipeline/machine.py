"""What a run's figures hang on beside its config and tables: the processor and how TensorFlow computes on it."""

from __future__ import annotations

import hashlib
import os
import platform
from pathlib import Path

__all__ = ["machine_facts"]

_CPUINFO = Path("/proc/cpuinfo")


def machine_facts(cpuinfo: Path = _CPUINFO) -> dict[str, str | int | list[str]]:
    """Return the facts on which the last bits of a training hang; where all are equal, they are equal.

    Args:
        cpuinfo: Linux's file on the processor.

    Returns:
        `processor`, its name; `flags`, the SHA-256 of its flags, sorted, empty where the system does not tell them;
        `cores`, those that this process may use; `inter_op_threads` and `intra_op_threads` of TensorFlow; `onednn`,
        what the environment says of it; `gpus`, by name.
    """
    name, flags = _processor(cpuinfo)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return {
        "processor": name,
        "flags": hashlib.sha256(" ".join(sorted(flags)).encode()).hexdigest() if flags else "",
        "cores": cores,
        **_threads(cores),
        "onednn": os.environ.get("TF_ENABLE_ONEDNN_OPTS", "default"),
        "gpus": _gpus(),
    }


def _processor(cpuinfo: Path) -> tuple[str, list[str]]:
    """Return the first processor's name and flags."""
    if not cpuinfo.is_file():
        return platform.processor() or platform.machine(), []
    pairs = (line.partition(":") for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines())
    told: dict[str, str] = {}
    for key, _, value in pairs:
        told.setdefault(key.strip(), value.strip())
    # ARM's kernels call the flags "Features" and name no model.
    name = told.get("model name") or platform.processor() or platform.machine()
    return name, (told.get("flags") or told.get("Features", "")).split()


def _threads(cores: int) -> dict[str, int]:
    """Return TensorFlow's threads; 0 in its configuration means what the environment says, or one for each core."""
    import tensorflow as tf

    set_ = {
        "inter_op_threads": tf.config.threading.get_inter_op_parallelism_threads(),
        "intra_op_threads": tf.config.threading.get_intra_op_parallelism_threads(),
    }
    variables = {"inter_op_threads": "TF_NUM_INTEROP_THREADS", "intra_op_threads": "TF_NUM_INTRAOP_THREADS"}
    return {name: value or _number(os.environ.get(variables[name])) or cores for name, value in set_.items()}


def _number(text: str | None) -> int:
    return int(text) if text is not None and text.strip().isdecimal() else 0


def _gpus() -> list[str]:
    import tensorflow as tf

    devices = tf.config.list_physical_devices("GPU")
    return [str(tf.config.experimental.get_device_details(one).get("device_name", one.name)) for one in devices]

"""Serve a MODELS folder by hand: `python -m tests.tf_serving_emulator --models DIR`."""

from __future__ import annotations

import argparse
import signal
import threading
from pathlib import Path

from tests.tf_serving_emulator.server import Emulator


def main() -> None:
    """Serve until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m tests.tf_serving_emulator", description=__doc__)
    parser.add_argument("--models", type=Path, required=True, help="the folder MODELS/NAME/VERSION")
    parser.add_argument("--grpc-port", type=int, default=8500, help="0 is any free port")
    parser.add_argument("--rest-port", type=int, default=8501, help="0 is any free port")
    parser.add_argument("--poll-seconds", type=float, default=1, help="how often to look for new versions")
    parser.add_argument("--num-versions", type=int, default=1, help="how many versions of a model to serve")
    parser.add_argument("--authorization", help='require this header, e.g. "Bearer TOKEN"')
    options = parser.parse_args()
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    with Emulator(
        options.models,
        num_versions=options.num_versions,
        authorization=options.authorization,
        grpc_port=options.grpc_port,
        rest_port=options.rest_port,
    ) as emulator:
        print(f"emulator of TF Serving: grpc://{emulator.grpc_target} {emulator.rest_url}", flush=True)
        while not stopped.wait(options.poll_seconds):
            emulator.poll()


if __name__ == "__main__":
    main()

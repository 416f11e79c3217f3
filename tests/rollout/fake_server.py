"""Stands in for vLLM's server: the endpoints that TRL's client asks, over real HTTP, in real processes.

Called as `trl vllm-serve` is: fake_server.py --model NAME --host HOST --port PORT …; how it behaves, by words in
$FAKE_SERVER: `exit` at once with a traceback, `never` healthy, `stubborn` ignores SIGTERM, `leaky` makes a child and
shared memory of both kinds (Python's, which a tracker removes, and NCCL's, which nobody does), `dies` once somebody has
asked for /die, `other` serves another model, `plain` has no endpoints for weights, `slow` takes two seconds.
"""

from __future__ import annotations

import json
import mmap
import os
import signal
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing import shared_memory
from pathlib import Path

words = set(os.environ.get("FAKE_SERVER", "").split())
options = dict(zip(sys.argv[1::2], sys.argv[2::2], strict=False))
model = "another/model" if "other" in words else options["--model"]

if "stubborn" in words:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("loading", options["--model"], "on GPUs", os.environ.get("CUDA_VISIBLE_DEVICES"), flush=True)
if "exit" in words:
    raise RuntimeError("Engine core initialization failed")
if "leaky" in words:
    # As an engine core: a process of its own, with a session of its own, that outlives its parent.
    holder = "import time, sys; open(sys.argv[1], 'w').write('x'); time.sleep(600)"
    child = subprocess.Popen([sys.executable, "-c", holder, os.devnull], start_new_session=True)
    segment = shared_memory.SharedMemory(create=True, size=4096)
    raw = Path("/dev/shm") / f"nccl-fake-{os.getpid()}"
    raw.write_bytes(bytes(4096))
    with raw.open("r+b") as file:
        mapped = mmap.mmap(file.fileno(), 4096)
    if "SHM_NAMES" in os.environ:
        Path(os.environ["SHM_NAMES"]).write_text(json.dumps([segment.name, raw.name]))
ready = time.monotonic() + (2.0 if "slow" in words else 0.0)


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/health":
            up = "never" not in words and time.monotonic() > ready
            self.answer(200 if up else 503, {})
        elif path == "/v1/models":
            self.answer(200, {"data": [{"id": model, "root": model}]})
        elif path == "/server_info" and "plain" not in words:
            config = {"weight_transfer_config": {"backend": "nccl"}, "model_config": {}}
            self.answer(200, {"vllm_config": config})
        elif path == "/get_world_size":
            self.answer(200, {"world_size": 1})
        elif path == "/die":
            print("RuntimeError: CUDA error: an illegal memory access was encountered", flush=True)
            os._exit(3)
        else:
            self.answer(404, {})

    def answer(self, status: int, body: object) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


server = ThreadingHTTPServer((options["--host"], int(options["--port"])), Handler)
server.serve_forever()

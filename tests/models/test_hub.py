"""`weights: hub` against a hub on loopback: what is asked for and recorded, and the cache when the hub is gone."""

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save

from tests.dependencies import REPOSITORY

ARCH, COMMIT = "test_vit.r160_in1k", "0123456789abcdef0123456789abcdef01234567"
FILE = f"/timm/{ARCH}/resolve/main/model.safetensors"
# The client reads HF_ENDPOINT when it is imported, so a process of its own asks.
ASK = """
import json, sys
from dataclasses import asdict
from stages.models.registry import Architecture
from stages.models.weights import initial_classifier
from stages.runtime.errors import InputError
for arch in sys.argv[1:]:
    try:
        model, origin = initial_classifier("x", Architecture("vit", arch, None), 160, "hub", None)
        weight = model.backbone.state_dict()["patch_embed.proj.weight"]
        print(json.dumps(asdict(origin) | {"sum": weight.double().sum().item()}))
    except InputError as error:
        print(json.dumps({"error": str(error)}))
"""
ABSENT = "deit_tiny_patch16_224.fb_in1k"


@pytest.fixture
def hub() -> Iterator[tuple[str, bytes, list[str], ThreadingHTTPServer]]:
    """Serve one model as the hub does; yield the address, the file, the requests and the server."""
    torch.manual_seed(7)
    content = save(timm.create_model("test_vit").state_dict())
    requests: list[str] = []

    class Hub(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.answer()

        def do_GET(self) -> None:
            if self.answer():
                self.wfile.write(content)

        def answer(self) -> bool:
            requests.append(f"{self.command} {self.path}")
            known = self.path == FILE
            self.send_response(200 if known else 404)
            if known:
                self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
                self.send_header("X-Repo-Commit", COMMIT)
                self.send_header("Content-Length", str(len(content)))
            else:
                self.send_header("X-Error-Code", "RepoNotFound")
                self.send_header("Content-Length", "0")
            self.end_headers()
            return known

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", content, requests, server
    server.shutdown()
    server.server_close()
    thread.join()


def ask(endpoint: str, cache: Path) -> list[dict[str, Any]]:
    """Return what the process says about the model that the hub has, and about one that it has not."""
    kept = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
    settings = {"HF_ENDPOINT": endpoint, "HF_HOME": str(cache), "TORCH_HOME": str(cache), "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-c", ASK, ARCH, ABSENT]
    ran = subprocess.run(command, env=kept | settings, text=True, capture_output=True)
    assert ran.returncode == 0, ran.stderr
    return [json.loads(line) for line in ran.stdout.splitlines()]


def test_a_model_comes_from_the_hub_and_then_from_its_cache(
    tmp_path: Path, hub: tuple[str, bytes, list[str], ThreadingHTTPServer]
) -> None:
    endpoint, content, requests, server = hub
    origin, refused = ask(endpoint, tmp_path)
    assert origin["sha256"] == hashlib.sha256(content).hexdigest()
    assert (origin["repository"], origin["revision"]) == (f"timm/{ARCH}", COMMIT)
    assert origin["pretrained"] and origin["source"] == f"hub {ARCH}"
    torch.manual_seed(7)
    expected = timm.create_model("test_vit").patch_embed.proj.weight.double().sum().item()
    assert origin["sum"] == pytest.approx(expected, rel=1e-9)
    assert f"GET {FILE}" in requests
    message = f"params.yaml: models.x.weights: {ABSENT} cannot be had from the model hub"
    assert refused["error"].startswith(message) and "\n" not in refused["error"]

    server.shutdown()
    server.server_close()
    again, refused = ask(endpoint, tmp_path)
    assert again == origin  # from the cache
    assert refused["error"].startswith(message) and "\n" not in refused["error"]

"""The part of Kaggle's API that a download uses, on loopback, and the real client run against it.

With KAGGLE_API_ENVIRONMENT=LOCALHOST the client talks to http://localhost, port 80, which takes rights to listen on. So
this server listens on any free port as the HTTP proxy that the client is told to use; it answers for localhost and for
the storage host that a download is redirected to.
"""

import json
import os
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.dependencies import REPOSITORY

TOKEN = "right-token"
STORAGE = "storage.kaggle.test"
WITHOUT_WAITING = (  # the client waits 2, 4, 8 ... seconds before it tries again
    "import runpy, time; time.sleep = lambda _: None; runpy.run_module('stages.download', run_name='__main__')"
)


@dataclass
class Kaggle:
    """What the server has and does; `requests` records (method, host, path, headers)."""

    archive: bytes = b""
    etag: str = '"one"'
    status: int = 200
    version: int = 3
    port: int = 0
    total_bytes: int | None = None
    cuts: int = 0  # so many transfers end after `cut_after` bytes
    cut_after: int = 0
    stall: bool = False  # wait there for ever instead of closing
    requests: list[tuple[str, str, str, dict[str, str]]] = field(default_factory=list)
    stalled: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)

    def transfers(self) -> list[dict[str, str]]:
        """Return the headers of the requests for the archive itself."""
        return [headers for _, host, _, headers in self.requests if host == STORAGE]


class Handler(BaseHTTPRequestHandler):
    """Answers one request; the server carries the `Kaggle` it speaks for."""

    server: "Server"

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_POST(self) -> None:
        kaggle, url = self._note()
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        call = url.path.rsplit("/", 1)[-1]
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self._json(401, {"code": 401, "message": "Unauthenticated"})
        if call == "IntrospectToken":
            return self._json(200, {"active": True, "username": "somebody"})
        if kaggle.status != 200:
            return self._json(kaggle.status, {"code": kaggle.status, "message": "no"})
        if call == "GetDataset":
            total = len(kaggle.archive) if kaggle.total_bytes is None else kaggle.total_bytes
            return self._json(
                200, {"currentVersionNumber": kaggle.version, "licenseName": "CC0-1.0", "totalBytes": total}
            )
        assert call == "DownloadDataset", call
        self.send_response(302)
        self.send_header("Location", f"http://{STORAGE}/archive.zip?signature=1")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self) -> None:
        kaggle, _ = self._note()
        start = 0
        if "Range" in self.headers and self.headers.get("If-Range") == kaggle.etag:
            start = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        body = kaggle.archive[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("ETag", kaggle.etag)
        self.send_header("Last-Modified", "Sat, 01 Feb 2020 10:00:00 GMT")
        self.end_headers()
        if kaggle.cuts:
            kaggle.cuts -= 1
            body = body[: kaggle.cut_after]
        self.wfile.write(body)
        self.wfile.flush()
        if kaggle.stall:
            kaggle.stalled.set()
            kaggle.over.wait(60)

    def _note(self) -> tuple[Kaggle, Any]:
        url = urlsplit(self.path)
        self.server.kaggle.requests.append((self.command, url.hostname or "", url.path, dict(self.headers)))
        return self.server.kaggle, url

    def _json(self, status: int, content: dict[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Server(ThreadingHTTPServer):
    """A server on a free port of loopback."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, kaggle: Kaggle) -> None:
        self.kaggle = kaggle
        super().__init__(("127.0.0.1", 0), Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # a client that was killed closes its connection


def start_download(folder: Path, port: int, token: str = TOKEN, waits: bool = True) -> subprocess.Popen[str]:
    """Start the download stage in `folder` with a home of its own and the server as its only way out."""
    home = folder / "home"
    home.mkdir(exist_ok=True)
    kept = {key: value for key, value in os.environ.items() if key in ("PATH", "LANG", "VIRTUAL_ENV")}
    proxy = f"http://127.0.0.1:{port}"
    settings = {
        "HOME": str(home),
        "PYTHONPATH": str(REPOSITORY),
        "KAGGLE_API_ENVIRONMENT": "LOCALHOST",
        "http_proxy": proxy,
        "https_proxy": proxy,
        **({"KAGGLE_API_TOKEN": token} if token else {}),
    }
    arguments = ["-m", "stages.download"] if waits else ["-c", WITHOUT_WAITING]
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=folder,
        env=kept | settings,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )

"""A small hub on loopback that the real client downloads from, in a process of its own."""

import hashlib
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from folders import COMMIT

REPOSITORY = "depth-anything/Tiny-hf"
LARGE = (".safetensors", ".pth")  # kept as the hub keeps large files: known by sha256, served by another host
CATALOG = """
[[model]]
name = "depth-small"
repository = "{repository}"
license = "Apache-2.0"
purpose = "tests"
files = ["config.json", {{ path = "model.safetensors"{pins} }}]
{revision}
"""


@dataclass
class Hub:
    """What the server has and does. The ``fault`` says what goes wrong with large files, if anything."""

    files: dict[str, bytes]
    fault: str = ""
    token: str = ""
    requests: list[str] = field(default_factory=list)
    endpoint: str = ""
    stalled: threading.Event = field(default_factory=threading.Event)  # half of a file was sent
    resume: threading.Event = field(default_factory=threading.Event)  # the server may go on

    @property
    def size_bytes(self) -> int:
        return sum(map(len, self.files.values()))


@dataclass(frozen=True)
class Answer:
    """What the client process said: the JSON on its standard output, and its standard error."""

    folder: str = ""
    error: str = ""
    hint: str = ""
    received: int = 0
    stderr: str = ""


@pytest.fixture
def hub() -> Iterator[Hub]:
    """A hub with one repository of a small and a large file."""
    content = bytes(hashlib.sha256(b"weights").digest() * 20_000)  # 640 kB: more than one read
    hub = Hub({"config.json": b'{"model_type": "depth_anything"}', "model.safetensors": content})
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(hub))
    hub.endpoint = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield hub
    hub.resume.set()
    server.shutdown()
    server.server_close()
    thread.join(timeout=10)


@pytest.fixture
def client(hub: Hub, tmp_path: Path) -> Callable[..., Answer]:
    """Run ``download`` of depth-small (or another ``step``) in a process with a cache of its own."""

    def run(step: str = "download", pins: str = "", revision: str = "", **environment: str) -> Answer:
        write_catalog(tmp_path, pins, revision)
        process = subprocess.run(
            [sys.executable, "-c", _CLIENT, step],
            env=client_environment(hub, tmp_path) | environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        return Answer(**json.loads(process.stdout), stderr=process.stderr)

    return run


@pytest.fixture
def command(hub: Hub, tmp_path: Path) -> Callable[..., "subprocess.Popen[str]"]:
    """Start the command line in a process with a cache of its own; its list of models is there already."""
    write_catalog(tmp_path)

    def start(*arguments: object, **environment: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-c", "import sys; from any2bokeh.cli import main; sys.exit(main())"]
            + [str(argument) for argument in arguments],
            env=client_environment(hub, tmp_path) | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


def write_catalog(folder: Path, pins: str = "", revision: str = "") -> None:
    (folder / "models.toml").write_text(
        CATALOG.format(repository=REPOSITORY, pins=pins, revision=revision), encoding="utf-8"
    )


def client_environment(hub: Hub, folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "ANY2BOKEH_"))}
    return kept | {
        "HF_ENDPOINT": hub.endpoint,
        "HF_HOME": str(folder / "hf"),
        "HF_HUB_DISABLE_XET": "1",
        "NO_PROXY": "*",
        "ANY2BOKEH_MODELS": str(folder / "models.toml"),
        "ANY2BOKEH_HOME": str(folder / "home"),
    }


# Any exception but WeightsError is a traceback and a failed process.
_CLIENT = """
import json, resource, sys
from any2bokeh.errors import WeightsError
from any2bokeh.weights import download
from any2bokeh.weights.catalog import load_catalog

model, step, received = load_catalog()["depth-small"], sys.argv[1], []
if step == "download to a full disk":
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
try:
    if step == "find":
        folder = download.model_folder(model)
    else:
        folder = download.download(model, received.append)
    print(json.dumps({"folder": str(folder), "received": sum(received)}))
except WeightsError as error:
    print(json.dumps({"error": error.message, "hint": error.hint, "received": sum(received)}))
"""


def _handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 20

        def log_message(self, format: str, *arguments: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self.answer()

        def do_GET(self) -> None:
            self.answer()

        def answer(self) -> None:
            hub.requests.append(f"{self.command} {self.path} {self.headers['Range'] or ''}".strip())
            if self.path.startswith("/cdn/"):
                return self.send_large(hub.files[self.path.removeprefix("/cdn/")])
            match = re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", self.path)
            if match is None or match[1] != REPOSITORY:
                return self.refuse(404, "RepoNotFound")
            if hub.token and self.headers["Authorization"] != f"Bearer {hub.token}":
                return self.refuse(403 if self.headers["Authorization"] else 401, "GatedRepo")
            if hub.fault == "forbidden":
                return self.refuse(403, "")
            if hub.fault == "down":
                return self.refuse(503, "")
            if match[2] not in ("main", COMMIT):
                return self.refuse(404, "RevisionNotFound")
            if match[3] not in hub.files:
                return self.refuse(404, "EntryNotFound")
            return self.send_entry(match[3], hub.files[match[3]])

        def refuse(self, status: int, code: str) -> None:
            self.send_response(status)
            if code:
                self.send_header("X-Error-Code", code)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def send_entry(self, name: str, content: bytes) -> None:
            large = name.endswith(LARGE)
            self.send_response(302 if large else 200)
            if hub.fault != "no hub":
                self.send_header("X-Repo-Commit", COMMIT)
            if large:
                size_bytes = 10**15 if hub.fault == "huge" else len(content)
                self.send_header("X-Linked-Size", str(size_bytes))
                self.send_header("X-Linked-Etag", f'"{hashlib.sha256(content).hexdigest()}"')
                # Another host name: like the real hub, which sends the client to its storage.
                self.send_header("Location", f"http://localhost:{self.server.server_address[1]}/cdn/{name}")
                content = b""
            else:
                git = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
                self.send_header("ETag", f'"{git}"')
            self.send_content(content)

        def send_large(self, content: bytes) -> None:
            if hub.fault == "corrupt":
                content = content[:1000] + b"?" + content[1001:]
            if hub.fault == "short":  # a proxy that gives up, and says that this was all
                content = content[: len(content) // 2]
            start = int(re.sub(r"\D", "", self.headers["Range"] or "") or 0)
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            if hub.fault in ("cut", "stall"):
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content[: len(content) // 2])
                self.wfile.flush()
                if hub.fault == "stall":
                    hub.stalled.set()
                    hub.resume.wait(timeout=60)
                hub.fault = ""
                self.close_connection = True
                return
            self.send_content(content[start:])

        def send_content(self, content: bytes) -> None:
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content)

    return Handler

"""Projects that uv can serve, and git repositories over HTTP on loopback."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

APP = """
import json, os, subprocess, sys

print("the project starts", flush=True)
if os.environ.get("FAIL"):
    sys.exit("no licence found")
if os.environ.get("CHILD"):
    own = [sys.executable, "-c", "import time; time.sleep(300)"]
    children = [subprocess.Popen(own, start_new_session=bool(n)).pid for n in range(2)]

async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    if scope["path"] == "/die":
        print("the project dies", flush=True)
        os._exit(9)
    body = json.dumps({"env": dict(os.environ), "children": globals().get("children")})
    await send({"type": "http.response.start", "status": 503 if os.environ.get("SICK") else 200})
    await send({"type": "http.response.body", "body": body.encode()})
"""


def write_project(folder: Path, **more: str) -> Path:
    """A project whose application answers with its environment; it needs uvicorn alone."""
    files = {
        "pyproject.toml": '[project]\nname = "space-env"\nversion = "1"\n'
        'requires-python = ">=3.11"\ndependencies = ["uvicorn"]\n',
        "server/app.py": APP,
        **more,
    }
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project, with its application where OpenEnv's are."""
    return write_project(tmp_path / "project")


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which the records of this test's servers are kept."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture(autouse=True)
def nothing_left(state: Path) -> Iterator[None]:
    """No test may leave a record, and so neither a process nor a folder."""
    yield
    from envgen_runtime.providers.process.records import records

    assert records() == []


@dataclass
class GitHost:
    """A real git server: what git itself offers for HTTP, behind the standard library's server."""

    root: Path
    url: str = ""
    token: str = ""
    seen: list[str] = field(default_factory=list)

    def add(self, space_id: str, *revisions: dict[str, str]) -> list[str]:
        """A repository with a commit for each set of files; gives the commits' hashes."""
        bare = self.root / "spaces" / space_id
        work = self.root / "work"
        shutil.rmtree(work, ignore_errors=True)
        git("init", "-q", "-b", "main", str(work))
        commits: list[str] = []
        for number, files in enumerate(revisions):
            write_project(work, **files)
            git("-C", str(work), "add", "-A")
            git("-C", str(work), "commit", "-q", "-m", f"revision {number}")
            commits.append(git("-C", str(work), "rev-parse", "HEAD"))
        git("clone", "-q", "--bare", str(work), str(bare))
        git("-C", str(bare), "config", "uploadpack.allowReachableSHA1InWant", "true")
        return commits


def git(*arguments: str) -> str:
    who = {
        f"GIT_{role}_{part}": f"{part}@example.org"
        for role in ("AUTHOR", "COMMITTER")
        for part in ("NAME", "EMAIL")
    }
    done = subprocess.run(
        ["git", *arguments], capture_output=True, text=True, check=True, env={**os.environ, **who}
    )
    return done.stdout.strip()


@pytest.fixture
def git_host(tmp_path: Path) -> Iterator[GitHost]:
    """A git server on loopback that holds Spaces."""
    host = GitHost(tmp_path / "git")
    host.root.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(host))
    host.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield host
    server.shutdown()
    server.server_close()
    thread.join()


def _handler(host: GitHost) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(b"")

        def do_POST(self) -> None:
            self._answer(self.rfile.read(int(self.headers["content-length"])))

        def _answer(self, body: bytes) -> None:
            path, _, query = self.path.partition("?")
            host.seen.append(self.headers.get("authorization", ""))
            if host.token and not self._authorized():
                self.send_response(401)
                self.send_header("www-authenticate", 'Basic realm="hub"')
                self.send_header("content-length", "0")
                self.end_headers()
                return
            if "/raw/main/" in path:
                self._raw(*path.split("/raw/main/"))
                return
            done = subprocess.run(
                ["git", "http-backend"],
                input=body,
                capture_output=True,
                check=False,
                env={
                    **os.environ,
                    "GIT_PROJECT_ROOT": str(host.root),
                    "GIT_HTTP_EXPORT_ALL": "1",
                    "PATH_INFO": path,
                    "QUERY_STRING": query,
                    "REQUEST_METHOD": self.command,
                    "CONTENT_TYPE": self.headers.get("content-type", ""),
                    "CONTENT_LENGTH": str(len(body)),
                    "HTTP_CONTENT_ENCODING": self.headers.get("content-encoding", ""),
                    "GIT_PROTOCOL": self.headers.get("git-protocol", ""),
                },
            )
            head, _, content = done.stdout.partition(b"\r\n\r\n")
            headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
            self.send_response(int(headers.pop("Status", "200").split()[0]))
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def _authorized(self) -> bool:
            given = self.headers.get("authorization", "")
            kind, _, secret = given.partition(" ")
            if kind == "Basic":
                secret = base64.b64decode(secret).decode().partition(":")[2]
            return secret == host.token

        def _raw(self, space: str, name: str) -> None:
            done = subprocess.run(
                ["git", "-C", f"{host.root}{space}", "show", f"HEAD:{name}"],
                capture_output=True,
                check=False,
            )
            self.send_response(404 if done.returncode else 200)
            self.send_header("content-length", str(len(done.stdout)))
            self.end_headers()
            self.wfile.write(done.stdout)

        def log_message(self, *_: Any) -> None:
            pass

    return Handler

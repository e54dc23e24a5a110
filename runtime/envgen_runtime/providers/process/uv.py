"""Environments run from their source, in processes on this machine."""

from __future__ import annotations

import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from ...errors import EngineError, ProviderError, StartError
from ..base import Ended, Provider
from ..cleanup import Held
from ..docker.engine import LOOPBACK, Credentials
from . import processes
from .git import PREFIX, GitSource, clone
from .records import Record

DEFAULT_APP = "server.app:app"

_APP_LINE = re.compile(r"^app:\s*[\"']?([\w.]+:[\w.]+)[\"']?\s*(?:#.*)?$", re.MULTILINE)
_ANY_ADDRESS = {"0.0.0.0": LOOPBACK, "::": "::1", "": LOOPBACK}  # noqa: S104
_FOLLOW_POLL_S = 0.05


class UVProvider(Provider):
    """Serves a project's application with ``uv run``, which installs what the project needs.

    The server runs in a process group of its own, with an environment that is chosen rather than
    inherited whole: how to find programs and reach the network, and what ``env_vars`` says.

    Args:
        project_path: the project's folder, or ``git+URL[@REVISION][#subdirectory=FOLDER]``, of
            which a temporary clone is made.
        app: the ASGI application, as ``module:attribute``; by default what the project's
            ``openenv.yaml`` says, else ``server.app:app``.
        host: the address to listen on.
        connect_host: the host to connect to; by default ``host``, or loopback where that is every
            address.
        reload: restart the server when its source changes.
        env_vars: variables of the server's environment.
        credentials: for a repository that wants them.
        clone_timeout_s: how long a fetch may take, in seconds.
        grace_s: how long the server may take to end by itself before it is killed, in seconds.
    """

    def __init__(
        self,
        *,
        project_path: str | Path,
        app: str | None = None,
        host: str = LOOPBACK,
        connect_host: str | None = None,
        reload: bool = False,
        env_vars: Mapping[str, str] | None = None,
        credentials: Credentials | None = None,
        clone_timeout_s: float = 60.0,
        grace_s: float = 2.0,
    ) -> None:
        super().__init__()
        self._source: GitSource | None = None
        self._project = Path()
        if isinstance(project_path, str) and project_path.startswith(PREFIX):
            self._source = GitSource.parse(project_path)
        else:
            self._project = Path(project_path).resolve()
        self._what = str(project_path)
        self._app = app
        self._host = host
        self._connect_host = connect_host or _ANY_ADDRESS.get(host, host)
        self._reload = reload
        self._env_vars = dict(env_vars or {})
        self._credentials = credentials
        self._clone_timeout_s = clone_timeout_s
        self._grace_s = grace_s
        self._server: _Server | None = None
        self._held: Held | None = None
        self._revision = ""

    @property
    def revision(self) -> str:
        """The commit that runs, where the project comes from git; empty before a start."""
        return self._revision

    def start(
        self,
        port: int | None = None,
        env_vars: Mapping[str, str] | None = None,
        workers: int = 1,
    ) -> str:
        """Start the server and return its base URL.

        Args:
            port: the port to listen on; by default the system chooses a free one.
            env_vars: further variables of the server's environment.
            workers: how many processes serve.

        Raises:
            TypeError: an option that doesn't exist.
            EngineError: uv, or git, is not installed.
            FetchError: the source can't be had.
            StartError: the project can't be served, or the port is taken.
        """
        if self._held is not None:
            raise ProviderError(f"{self._describe()} runs already; stop it first")
        if shutil.which("uv") is None:
            raise EngineError("uv is not installed, and projects are run with it: pip install uv")
        self._stopping.clear()
        server = self._server = _Server(f"envgen-{uuid.uuid4()}", self._what)
        self._held = Held(self._describe(), partial(server.end, self._grace_s))
        try:
            project = self._project if self._source is None else self._clone(self._source, server)
            if not (project / "pyproject.toml").is_file():
                raise StartError(f"{project} is not a project: it has no pyproject.toml")  # noqa: TRY301
            env = processes.chosen_environment({**self._env_vars, **(env_vars or {})})
            with self._listen(port) as listener:
                # The server gets the socket itself: nobody can take the port in between.
                command = self._command(project, listener.fileno(), workers)
                server.spawn(command, env, project, listener)
                bound = listener.getsockname()[1]
        except BaseException:
            self.stop()
            raise
        if self._stopping.is_set():
            self.stop()
            raise StartError(f"{self._describe()} was stopped while it started")
        host = f"[{self._connect_host}]" if ":" in self._connect_host else self._connect_host
        self._base_url = f"http://{host}:{bound}"
        return self._base_url

    def logs(self, tail: int | None = None) -> str:
        """What the server has written. As ``Provider.logs``."""
        if self._server is None or not self._server.log.exists():
            return ""
        lines = self._server.log.read_text("utf-8", errors="replace").splitlines(keepends=True)
        return "".join(lines if tail is None else lines[-tail:])

    def follow_logs(self) -> Iterator[str]:
        """What the server has written and writes. As ``Provider.follow_logs``."""
        server = self._server
        if server is None:
            return
        with server.log.open(encoding="utf-8", errors="replace") as stream:
            line = ""
            while True:
                last_look = self._stopping.is_set() or server.exit_code() is not None
                while part := stream.readline():
                    line += part
                    if line.endswith("\n"):
                        yield line.rstrip("\n")
                        line = ""
                if last_look:
                    break
                time.sleep(_FOLLOW_POLL_S)
            if line:
                yield line

    def stop(self) -> None:
        """End the server's whole process tree, and remove its clone. As ``Provider.stop``."""
        self._stopping.set()
        if self._held is not None:
            self._held.release()
        self._held = None
        self._base_url = None

    def _clone(self, source: GitSource, server: _Server) -> Path:
        folder = server.folder / "source"
        self._revision = clone(
            source, folder, credentials=self._credentials, timeout_s=self._clone_timeout_s
        )
        return folder / source.subdirectory

    def _listen(self, port: int | None) -> socket.socket:
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        try:
            return socket.create_server((self._host, port or 0), family=family)
        except OSError as error:
            if port:
                raise StartError(f"port {port} of {self._host} is taken ({error})") from error
            raise StartError(f"can't listen on {self._host}: {error}") from error

    def _command(self, project: Path, fd: int, workers: int) -> list[str]:
        command = ["uv", "run", "--isolated", "--project", str(project)]
        command += ["--", "python", "-u", "-m", "uvicorn", self._app or _declared_app(project)]
        command += [f"--fd={fd}", f"--workers={workers}"]
        return [*command, "--reload"] if self._reload else command

    def _ended(self) -> Ended | None:
        if self._stopping.is_set() or self._server is None:
            return Ended("was stopped")
        code = self._server.exit_code()
        if code is None:
            return None
        if code < 0:
            return Ended(f"was killed by {signal.Signals(-code).name}", code)
        return Ended(f"exited with code {code}", code)

    def _describe(self) -> str:
        return f"the server of {self._what}"


class _Server:
    """One server's processes, its temporary folder and the record of both."""

    def __init__(self, name: str, what: str) -> None:
        self.name = name
        self.folder = Path(tempfile.mkdtemp(prefix="envgen-"))
        self.log = self.folder / "server.log"
        self._record = Record.new(name, what, self.folder)
        self._process: subprocess.Popen[bytes] | None = None

    def spawn(
        self, command: list[str], env: Mapping[str, str], project: Path, listener: socket.socket
    ) -> None:
        self._process = processes.spawn(
            command,
            cookie=self.name,
            env=env,
            folder=project,
            log=self.log,
            pass_fds=[listener.fileno()],
        )

    def exit_code(self) -> int | None:
        return None if self._process is None else self._process.poll()

    def end(self, grace_s: float) -> None:
        if self._process is not None:
            processes.end_group(self._process, self.name, grace_s)
        shutil.rmtree(self.folder, ignore_errors=True)
        self._record.forget()


def _declared_app(project: Path) -> str:
    """The application that ``openenv.yaml`` names. Only that one line is read, not the YAML."""
    try:
        manifest = (project / "openenv.yaml").read_text("utf-8")
    except OSError:
        return DEFAULT_APP
    found = _APP_LINE.search(manifest)
    return found[1] if found else DEFAULT_APP

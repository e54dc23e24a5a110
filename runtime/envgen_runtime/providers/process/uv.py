"""Environments that run from their source, in processes on this machine."""

from __future__ import annotations

import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Unpack

from ...documented import complete, documented
from ...errors import EngineError, ProviderError, StartError
from ...wire.redaction import source_without_secrets
from ..base import Provider, ServerExit
from ..cleanup import Cleanup
from ..docker.engine import LOOPBACK
from ..options import ProjectOptions
from ..owner import new_name, this_process
from . import processes
from .git import PREFIX, GitSource, clone
from .records import Record, temporary_folder

DEFAULT_APP = "server.app:app"

_APP_LINE = re.compile(r"^app:\s*[\"']?([\w.]+:[\w.]+)[\"']?\s*(?:#.*)?$", re.MULTILINE)
_REACHABLE_AT = {"0.0.0.0": LOOPBACK, "::": "::1", "": LOOPBACK}  # noqa: S104
_FOLLOW_POLL_S = 0.05


class UVProvider(Provider):
    """Serves a project's application with ``uv run``, which installs the project's dependencies.

    The server runs in a process group of its own. It inherits only the environment variables that
    find programs and reach the network, plus ``env_vars``.
    """

    @documented(ProjectOptions)
    def __init__(
        self,
        *,
        project_path: str | Path,
        host: str = LOOPBACK,
        connect_host: str | None = None,
        env_vars: Mapping[str, str] | None = None,
        **options: Unpack[ProjectOptions],
    ) -> None:
        """Describe the server; ``start`` starts it.

        Args:
            project_path: the project's folder, or ``git+URL[@REVISION][#subdirectory=FOLDER]``,
                which is cloned to a temporary folder.
            host: the address to listen on.
            connect_host: the host to connect to; by default ``host``, or loopback if the server
                listens on all addresses.
            env_vars: environment variables of the server.
            options: by keyword:

        Raises:
            TypeError: an unknown option.
            ValueError: ``project_path`` is a git source that can't be read.
        """
        super().__init__()
        self._options = complete(ProjectOptions, options, of="UVProvider")
        self._source: GitSource | None = None
        self._project = Path()
        if isinstance(project_path, str) and project_path.startswith(PREFIX):
            self._source = GitSource.parse(project_path)
        else:
            self._project = Path(project_path).resolve()
        shown = source_without_secrets if self._source else str
        self._what = shown(str(project_path))
        self._host = host
        self._connect_host = connect_host or _REACHABLE_AT.get(host, host)
        self._env_vars = dict(env_vars or {})
        self._server: _Server | None = None
        self._revision = ""

    @property
    def revision(self) -> str:
        """The commit that runs, for a project from git; empty before a start."""
        return self._revision

    @property
    def app(self) -> str:
        """The application that is served, ``module:name``. Known while the server runs."""
        app: str = self._options["app"] or _declared_app(self._project)
        return app

    def run(self, *arguments: str, timeout_s: float) -> subprocess.CompletedProcess[bytes]:
        """Run Python in the project while its server runs: same dependencies, same variables.

        Raises:
            subprocess.TimeoutExpired: it took longer.
        """
        server = self._server
        if server is None:
            raise ProviderError(f"{self._describe()} doesn't run")
        return server.run([*_uv_run(self._project), *arguments], self._project, timeout_s)

    def start(
        self,
        port: int | None = None,
        env_vars: Mapping[str, str] | None = None,
        workers: int = 1,
    ) -> str:
        """Start the server and return its base URL.

        Args:
            port: the port to listen on; by default the system chooses a free one.
            env_vars: more environment variables of the server.
            workers: the number of worker processes.

        Raises:
            TypeError: an unknown option.
            EngineError: uv or git is not installed, or this is Windows.
            FetchError: the source can't be fetched.
            StartError: the project can't be served, or the port is taken.
        """
        with self._starting():
            if not processes.IS_SUPPORTED:
                raise EngineError(
                    "UVProvider needs a POSIX system, such as Linux, macOS or WSL: it serves in a "
                    "process group and passes on a socket. On Windows, serve the project from its "
                    "image (from_docker_image), or start it yourself and pass its URL"
                )
            if shutil.which("uv") is None:
                raise EngineError("uv is not installed, but it runs the projects: pip install uv")
            server = self._server = _Server(self._what)
            end = partial(server.end, self._options["grace_s"])
            self._cleanup = Cleanup(self._describe(), end)
            server.create_folder()
            if self._source is not None:
                self._project = self._clone(self._source, server)
            project = self._project
            if not (project / "pyproject.toml").is_file():
                raise StartError(f"{project} is not a project: it has no pyproject.toml")
            env = processes.server_environment({**self._env_vars, **(env_vars or {})})
            with self._listen(port) as listener:
                # The server inherits the socket, so no other program can take the port meanwhile.
                command = self._command(listener.fileno(), workers)
                server.spawn(command, env, project, listener)
                bound = listener.getsockname()[1]
            host = f"[{self._connect_host}]" if ":" in self._connect_host else self._connect_host
            self._base_url = f"http://{host}:{bound}"
        return self._base_url

    def logs(self, tail: int | None = None) -> str:
        """Return the server's output. As ``Provider.logs``."""
        if self._server is None or not self._server.log.exists():
            return ""
        lines = self._server.log.read_text("utf-8", errors="replace").splitlines(keepends=True)
        return "".join(lines if tail is None else lines[-tail:])

    def follow_logs(self) -> Iterator[str]:
        """Yield the server's output, past and future. As ``Provider.follow_logs``."""
        server = self._server
        if server is None:
            return
        with server.log.open(encoding="utf-8", errors="replace") as stream:
            line = ""
            is_last = False
            while not is_last:
                # Before reading: the server may write until it ends.
                is_last = self._stopping.is_set() or server.exit_code() is not None
                while part := stream.readline():
                    line += part
                    if line.endswith("\n"):
                        yield line.rstrip("\n")
                        line = ""
                if not is_last:
                    time.sleep(_FOLLOW_POLL_S)
            if line:
                yield line

    def _clone(self, source: GitSource, server: _Server) -> Path:
        folder = server.folder / "source"
        credentials, timeout_s = self._options["credentials"], self._options["clone_timeout_s"]
        self._revision = clone(source, folder, credentials=credentials, timeout_s=timeout_s)
        return folder / source.subdirectory

    def _listen(self, port: int | None) -> socket.socket:
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        try:
            return socket.create_server((self._host, port or 0), family=family)
        except OSError as error:
            if port:
                raise StartError(f"port {port} of {self._host} is taken ({error})") from error
            raise StartError(f"can't listen on {self._host}: {error}") from error

    def _command(self, fd: int, workers: int) -> list[str]:
        command = [*_uv_run(self._project), "-u", "-m", "uvicorn", self.app]
        command += [f"--fd={fd}", f"--workers={workers}"]
        return [*command, "--reload"] if self._options["reload"] else command

    def _exit(self) -> ServerExit | None:
        if self._stopping.is_set() or self._server is None:
            return ServerExit("was stopped")
        code = self._server.exit_code()
        if code is None:
            return None
        if code < 0:
            return ServerExit(f"was killed by {signal.Signals(-code).name}", code)
        return ServerExit(f"exited with code {code}", code)

    def _describe(self) -> str:
        return f"the server of {self._what}"


class _Server:
    """A server's processes and temporary folder, and the record of both."""

    def __init__(self, what: str) -> None:
        self._name = new_name()
        self.folder = temporary_folder(self._name)
        self.log = self.folder / "server.log"
        self._record = Record(self._name, what, str(self.folder), this_process())
        self._process: subprocess.Popen[bytes] | None = None
        self._env: Mapping[str, str] = {}

    def create_folder(self) -> None:
        self._record.save()
        self._record.create_folder()

    def spawn(
        self, command: list[str], env: Mapping[str, str], project: Path, listener: socket.socket
    ) -> None:
        self._env = {**env, processes.COOKIE: self._name}  # also marks those that leave the group
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 - a list, no shell
                command,
                cwd=project,
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=[listener.fileno()],
                start_new_session=True,  # a process group of its own
            )

    def run(
        self, command: list[str], project: Path, timeout_s: float
    ) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(  # noqa: S603 - a list, no shell
            command,
            env=self._env,  # so it ends with the server
            cwd=project,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout_s,
            check=False,
        )

    def exit_code(self) -> int | None:
        return None if self._process is None else self._process.poll()

    def end(self, grace_s: float) -> None:
        if self._process is not None:
            processes.end_group(self._process, grace_s)
        processes.kill_marked(self._name)  # those that left the group
        self._record.remove()


def _uv_run(project: Path) -> list[str]:
    """The command that starts a project's Python."""
    return ["uv", "run", "--isolated", "--project", str(project), "--", "python"]


def _declared_app(project: Path) -> str:
    """The application in ``openenv.yaml``. Only its line is read, so no YAML parser is needed."""
    try:
        manifest = (project / "openenv.yaml").read_text("utf-8")
    except OSError:
        return DEFAULT_APP
    found = _APP_LINE.search(manifest)
    return found[1] if found else DEFAULT_APP

"""Environments served from their source: what they inherit, how they end, what they leave."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from envgen_runtime import FetchError, ProviderError, ReadyTimeout, StartError
from envgen_runtime.providers import UVProvider
from tests.providers.conftest import GitHost, write_project
from tests.support import PATIENCE_S

pytestmark = pytest.mark.slow


def ask(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(url, timeout=PATIENCE_S) as response:
        found: dict[str, Any] = json.loads(response.read())
        return found


def lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_a_project_is_served_on_loopback(project: Path) -> None:
    with UVProvider(project_path=project, env_vars={"COLOUR": "red"}) as provider:
        url = provider.start(env_vars={"SIZE": "2"})
        provider.wait_for_ready(url)
        assert url.startswith("http://127.0.0.1:")
        env = ask(url)["env"]
        assert (env["COLOUR"], env["SIZE"]) == ("red", "2")
        assert "the project starts" in provider.logs()
        assert next(provider.follow_logs())
    assert not (project / ".venv").exists(), "the user's own venv is not touched"
    with pytest.raises(urllib.error.URLError):
        ask(url)


def test_the_parents_secrets_stay_with_the_parent(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "secret")
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    with UVProvider(project_path=project) as provider:
        provider.wait_for_ready(provider.start())
        env = ask(provider.base_url)["env"]
    assert not {"HF_TOKEN", "PYTHONPATH"} & set(env)
    assert env["PATH"].endswith(os.environ["PATH"])


def test_the_whole_tree_ends(project: Path) -> None:
    with UVProvider(project_path=project, env_vars={"CHILD": "1"}) as provider:
        provider.wait_for_ready(provider.start())
        children = ask(provider.base_url)["children"]
        assert all(lives(pid) for pid in children)
    assert not any(lives(pid) for pid in children), "also the one with a session of its own"


def test_openenv_yaml_names_the_application(tmp_path: Path) -> None:
    write_project(tmp_path, **{"openenv.yaml": "spec_version: 1\napp: main:app  # here\n"})
    (tmp_path / "server" / "app.py").rename(tmp_path / "main.py")
    with UVProvider(project_path=tmp_path) as provider:
        provider.wait_for_ready(provider.start())


def test_a_server_that_ends_says_why(project: Path) -> None:
    provider = UVProvider(project_path=project, env_vars={"FAIL": "1"})
    with provider, pytest.raises(StartError) as caught:
        provider.wait_for_ready(provider.start())
    assert caught.value.exit_code == 1
    assert "no licence found" in caught.value.log


def test_a_server_that_dies_later_says_why(project: Path) -> None:
    with UVProvider(project_path=project) as provider:
        provider.wait_for_ready(provider.start())
        with pytest.raises((urllib.error.URLError, ConnectionError)):
            ask(f"{provider.base_url}/die")
        why = provider.diagnosis(within_s=PATIENCE_S)
    assert why is not None
    assert "exited with code 9" in why
    assert "the project dies" in why


def test_a_server_that_is_never_healthy(project: Path) -> None:
    with UVProvider(project_path=project, env_vars={"SICK": "1"}) as provider:
        provider.start()
        with pytest.raises(ReadyTimeout):
            provider.wait_for_ready(timeout_s=3)


def test_a_port_that_is_taken(project: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(StartError, match=f"port {port} of .* is taken"):
            UVProvider(project_path=project).start(port=port)


def test_a_folder_that_is_no_project(tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"has no pyproject\.toml"):
        UVProvider(project_path=tmp_path).start()


def test_reload_follows_the_source(project: Path) -> None:
    with UVProvider(project_path=project, reload=True) as provider:
        provider.wait_for_ready(provider.start())
        app = project / "server" / "app.py"
        app.write_text(app.read_text().replace('"children"', '"now reloaded"'))
        deadline = time.monotonic() + PATIENCE_S
        while "now reloaded" not in ask(provider.base_url):
            assert time.monotonic() < deadline
            app.touch()  # what is saved before the reloader's first look is no change to it
            threading.Event().wait(0.1)


def test_one_server_at_a_time(project: Path) -> None:
    with UVProvider(project_path=project) as provider:
        provider.start()
        with pytest.raises(ProviderError, match="already running"):
            provider.start()
        with pytest.raises(TypeError, match="memory"):
            provider.start(memory="1g")  # type: ignore[call-arg]
        provider.stop()
        provider.wait_for_ready(provider.start())


def test_a_revision_is_pinned(git_host: GitHost) -> None:
    first, second = git_host.add("o/n", {"openenv.yaml": "app: server.app:app\n"}, {"b": "b"})
    source = f"git+{git_host.url}/spaces/o/n"
    for revision, commit in ((f"@{first}", first), ("@main", second), ("", second)):
        with UVProvider(project_path=source + revision) as provider:
            provider.wait_for_ready(provider.start())
            assert provider.revision == commit


def test_a_clone_that_fails(git_host: GitHost) -> None:
    git_host.add("o/n", {})
    with pytest.raises(FetchError, match="nowhere") as caught:
        UVProvider(project_path=f"git+{git_host.url}/spaces/o/n@nowhere").start()
    assert "couldn't find remote ref" in caught.value.log
    with pytest.raises(FetchError):
        UVProvider(project_path=f"git+{git_host.url}/spaces/o/other").start()

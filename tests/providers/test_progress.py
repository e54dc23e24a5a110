"""What a terminal shows while an image is pulled."""

from __future__ import annotations

import io
from importlib import import_module
from typing import Any

import pytest
from rich.console import Console

from envgen.cli import output
from envgen.sources import read_source
from envgen_runtime.errors import EngineError
from envgen_runtime.providers import LocalDockerProvider, PullProgress

command = import_module("envgen.cli.build")  # the package's attribute is the function

HALF = PullProgress("team/image[v1]", 21_000_000, 42_000_000)
DONE = PullProgress("team/image[v1]", 42_000_000, 42_000_000, is_done=True)


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """A terminal in place of standard error."""
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=120)
    monkeypatch.setattr(command, "err", console)
    return stream


def test_the_status_line() -> None:
    line = output.status_line
    assert line(HALF, "building") == r"pulling team/image\[v1]: 21.0 MB of 42.0 MB"
    assert line(PullProgress("image", 0, 0), "building") == "pulling image: connecting"
    assert line(DONE, "building") == line("read", "building") == "building"


@pytest.mark.parametrize("sources", [1, 2])
def test_a_pull_is_drawn(shown: io.StringIO, sources: int) -> None:
    with command._progress(sources) as progress:
        progress("docker://team/image", HALF)
        progress("a.json", "read")
        progress("docker://team/image", DONE)
        progress("docker://team/image", "read")
        progress("docker://team/image", "built")
    assert ("pulling team/image[v1] (MB)" in shown.getvalue()) == (sources > 1)
    assert "building" in shown.getvalue()


def test_a_source_hands_on_the_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(provider: LocalDockerProvider, *_: Any, **__: Any) -> str:
        assert provider._on_pull is not None
        provider._on_pull(HALF)
        raise EngineError("that was all")

    monkeypatch.setattr(LocalDockerProvider, "start_container", start)
    seen: list[PullProgress] = []
    with pytest.raises(Exception, match="that was all"):
        read_source("docker://team/image", on_pull=seen.append)
    assert seen == [HALF]

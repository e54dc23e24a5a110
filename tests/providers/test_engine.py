"""What an engine's reports and users' options mean, without an engine."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Iterator
from typing import Any

import docker
import pytest

from envgen_runtime import FetchError
from envgen_runtime.providers import PullProgress
from envgen_runtime.providers.docker.engine import Engine, memory_bytes
from tests.docker.engine import NoEngine, running_engine


class Api:
    """An SDK's client that pulls what the test says."""

    base_url = "http+docker://localhost"

    def __init__(self, events: list[dict[str, Any]]) -> None:
        self._events = events

    def pull(self, *_: Any, **__: Any) -> Iterator[dict[str, Any]]:
        return iter(self._events)


def engine(monkeypatch: pytest.MonkeyPatch, *events: dict[str, Any]) -> Engine:
    class Client:
        def __init__(self, **_: Any) -> None:
            self.api = Api(list(events))

    monkeypatch.setattr(docker, "DockerClient", Client)
    return Engine("unix:///nowhere")


def downloading(layer: str, current: int, total: int) -> dict[str, Any]:
    detail = {"current": current, "total": total}
    return {"status": "Downloading", "id": layer, "progressDetail": detail}


def test_progress_is_the_sum_over_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    pulling = engine(
        monkeypatch,
        {"status": "Pulling from nowhere", "id": "latest"},
        downloading("a", 10, 20),
        downloading("b", 5, 40),
        {"status": "Download complete", "id": "a", "progressDetail": {}},
        {"status": "Already exists", "id": "c", "progressDetail": {}},
    ).pull("image", credentials=None, platform=None)
    sizes = [(0, 0), (10, 20), (15, 60), (25, 60), (25, 60)]
    expected = [PullProgress("image", done, total) for done, total in sizes]
    assert list(pulling) == [*expected, PullProgress("image", 60, 60, is_done=True)]


def test_an_error_in_the_report_ends_the_pull(monkeypatch: pytest.MonkeyPatch) -> None:
    pulling = engine(monkeypatch, {"error": "no space"}).pull(
        "image", credentials=None, platform=None
    )
    with pytest.raises(FetchError, match="image can't be pulled: no space"):
        next(pulling)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (None, 0),
        (1024, 1024),
        ("1024", 1024),
        ("512b", 512),
        ("64k", 64 * 2**10),
        ("512m", 512 * 2**20),
        ("512MB", 512 * 2**20),
        ("512MiB", 512 * 2**20),
        (" 2G ", 2 * 2**30),
        ("1.5g", 3 * 2**29),
        ("1t", 2**40),
        ("1TiB", 2**40),
    ],
)
def test_sizes(size: str | int | None, expected: int) -> None:
    assert memory_bytes(size) == expected


@pytest.mark.parametrize(
    "size", ["", "lots", "m", "-1g", "0", 0, -1, "infg", "nang", "1x", "g1", "t"]
)
def test_what_is_no_size(size: str | int) -> None:
    with pytest.raises(ValueError, match=r"not a size: .*give a number of bytes, or 512m, 2g"):
        memory_bytes(size)


@pytest.mark.slow
def test_skipping_for_want_of_an_engine_leaves_no_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    """A session whose tests are skipped ends with 0: pytest keeps the reason until then."""
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere")
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.delenv("ENVGEN_CI", raising=False)
    with pytest.raises(NoEngine) as reason, running_engine():
        pass
    with warnings.catch_warnings(record=True) as left:
        warnings.simplefilter("always", ResourceWarning)
        del reason
        gc.collect()
    assert [str(warning.message) for warning in left] == []

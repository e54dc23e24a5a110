"""Sessions belong to their process and event loop, and forgotten clients give theirs back."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from typing import Any

import pytest

import envgen_runtime as rt
from generated.coding_env import CodingEnv
from tests.runtime import tries
from tests.runtime.servers import faulty_process

pytestmark = [
    pytest.mark.skipif(not hasattr(tries.os, "fork"), reason="this system has no fork"),
    # Python 3.12 and later warn of every fork beside a thread, such as that of the keepalive.
    pytest.mark.filterwarnings("ignore:This process:DeprecationWarning"),
]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with faulty_process() as url:
        yield url


@pytest.fixture(scope="module")
def url_of_one() -> Iterator[str]:
    with faulty_process(capacity=1) as url:
        yield url


@pytest.mark.parametrize("transport", ["websocket", "http"])
@pytest.mark.parametrize("fork", [tries.fork_sync, tries.fork_async])
def test_a_forked_child_never_takes_its_parents_replies(
    url: str, fork: Any, transport: str
) -> None:
    assert fork(url, transport) == []


def test_a_forked_child_that_ends_leaves_the_session(url: str) -> None:
    assert tries.fork_and_close(url) == []


def test_no_lock_survives_a_fork(url: str) -> None:
    assert tries.fork_among_threads(url, forks=20) == []


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_a_client_that_never_connected_goes_to_workers(url: str, method: str) -> None:
    with multiprocessing.get_context(method).Pool(2) as pool:
        assert pool.map(tries.play_in_worker, [CodingEnv(url)] * 4) == [[]] * 4


@pytest.mark.parametrize("run", [tries.loop_after_loop, tries.loop_beside_loop])
def test_a_session_belongs_to_its_event_loop(url_of_one: str, run: Any) -> None:
    assert run(url_of_one) == []


@pytest.mark.parametrize("kind", tries.error_classes(), ids=lambda kind: kind.__name__)
def test_errors_are_pickled_with_their_attributes(kind: type[rt.EnvError]) -> None:
    assert tries.pickled(kind) == []


def test_errors_leave_a_pool() -> None:
    with multiprocessing.get_context("fork").Pool(1) as pool:
        found = [tries.through_a_pool(pool, kind) for kind in tries.error_classes()]
    assert [finding for some in found for finding in some] == []


@pytest.mark.parametrize("transport", ["websocket", "http"])
@pytest.mark.parametrize("forget", [tries.forget_sync, tries.forget_async])
def test_a_forgotten_client_gives_its_session_back(
    url_of_one: str, forget: Any, transport: str
) -> None:
    assert forget(url_of_one, transport) == []

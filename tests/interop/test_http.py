"""What real servers answer over HTTP, release by release: the facts that the runtime rests on.

Nothing of envgen is used here. Where a test of ours fails and this file passes, we are wrong;
where this file fails on a new release, the wire has changed.
"""

from __future__ import annotations

from contextlib import closing
from http.client import HTTPConnection

import pytest

from tests.interop.asking import http, on_the_seed
from tests.interop.conftest import Serve
from tests.interop.running import Release, RunningServer
from tests.support import PATIENCE_S

JSON = {"Content-Type": "application/json"}


@on_the_seed
def test_http_of_the_seed_is_one_episode(fresh_server: RunningServer) -> None:
    with http(fresh_server) as client:
        client.post("/reset", json={})
        client.post("/step", json={"action": {"code": "x = 2"}})
        reply = client.post("/step", json={"action": {"code": "print(x)"}}).json()
        state = client.get("/state").json()
    assert reply["observation"]["stdout"] == "2\n"
    assert (state["step_count"], state["last_exit_code"]) == (2, 0)


@on_the_seed
def test_http_of_the_seed_is_shared(fresh_server: RunningServer) -> None:
    with http(fresh_server) as one, http(fresh_server) as two:
        one.post("/reset", json={})
        one.post("/step", json={"action": {"code": "1"}})
        assert two.get("/state").json() == one.get("/state").json()


def test_http_since_0_2_has_a_fresh_environment_per_request(modern: Release, serve: Serve) -> None:
    with http(serve(modern, "coding")) as client:
        client.post("/reset", json={"episode_id": "mine"})
        client.post("/step", json={"action": {"code": "x = 2"}})
        reply = client.post("/step", json={"action": {"code": "print(x)"}}).json()
        state = client.get("/state").json()
    assert reply["observation"]["exit_code"] == 1
    assert (state["episode_id"], state["step_count"]) == (None, 0)


def test_http_reply_has_reward_and_done_beside_the_observation(
    release: Release, serve: Serve
) -> None:
    with http(serve(release, "coding")) as client:
        reply = client.post("/step", json={"action": {"code": "print(1)"}}).json()
    assert (reply["reward"], reply["done"]) == (1.0, False)
    assert not {"reward", "done"} & set(reply["observation"])


@on_the_seed
def test_http_of_the_seed_ignores_seed_and_episode(fresh_server: RunningServer) -> None:
    with http(fresh_server) as client:
        assert client.post("/reset", json={"seed": 7, "episode_id": "mine"}).is_success
        assert client.get("/state").json()["episode_id"] != "mine"


def test_http_step_takes_timeout_and_request_id(release: Release, serve: Serve) -> None:
    body = {"action": {"code": "print(1)"}, "timeout_s": 5, "request_id": "mine"}
    with http(serve(release, "coding")) as client:
        assert client.post("/step", json=body).json()["observation"]["stdout"] == "1\n"


def test_http_reset_refuses_a_negative_seed(modern: Release, serve: Serve) -> None:
    with http(serve(modern, "coding")) as client:
        assert client.post("/reset", json={"seed": -1}).status_code == 422


def test_http_invalid_action(release: Release, serve: Serve) -> None:
    with http(serve(release, "coding")) as client:
        reply = client.post("/step", json={"action": {"cod": "1"}})
    if release.is_seed:
        assert (reply.status_code, reply.text) == (500, "Internal Server Error")
    else:
        assert reply.status_code == 422
        assert {tuple(error["loc"]) for error in reply.json()["detail"]} == {("code",), ("cod",)}


def test_http_environment_raises(release: Release, serve: Serve) -> None:
    with http(serve(release, "faults")) as client:
        reply = client.post("/step", json={"action": {"fault": "raise"}})
        assert (reply.status_code, reply.text) == (500, "Internal Server Error")


def test_http_connection_is_closed_unannounced_after_the_environment_raised(
    release: Release, serve: Serve
) -> None:
    """So the request after it may be lost on a connection that looks alive."""
    address = serve(release, "faults").base_url.removeprefix("http://")
    with closing(HTTPConnection(address, timeout=PATIENCE_S)) as connection:
        connection.request("POST", "/step", '{"action": {"fault": "raise"}}', JSON)
        reply = connection.getresponse()
        reply.read()
        assert (reply.status, reply.getheader("connection")) == (500, None)
        assert connection.sock.recv(1) == b"", "the server has hung up"


def test_http_validator_that_raises(modern: Release, serve: Serve) -> None:
    with http(serve(modern, "faults")) as client:
        assert client.post("/step", json={"action": {"fault": "refuse"}}).status_code == 500


@pytest.mark.parametrize("fault", ["null_reward", "bool_reward", "nan_reward"])
def test_http_reward(release: Release, serve: Serve, fault: str) -> None:
    with http(serve(release, "faults")) as client:
        reward = client.post("/step", json={"action": {"fault": fault}}).json()["reward"]
    if fault == "bool_reward":
        assert reward == 1
        assert type(reward) is (bool if release.is_seed else float), "typed as a number since 0.2"
    else:
        assert reward is None


def test_http_state_lacks_the_fields_that_the_server_was_not_told_of(
    modern: Release, serve: Serve
) -> None:
    with http(serve(modern, "base_state")) as client:
        assert set(client.get("/state").json()) == {"episode_id", "step_count"}

"""Calls with arguments that they don't take: an error of the tree, which says what to do."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pytest

import envgen_runtime as rt
from envgen.demo.server import serving
from envgen_runtime.generated import Codec
from envgen_runtime.providers import LocalDockerProvider
from generated.coding_env import AsyncCodingEnv, CodingEnv
from tests.runtime.servers import Faulty
from tests.runtime.test_frames import both_clients
from tests.support import ROOT, build

URL = "http://127.0.0.1:9"
Make = Callable[[bool], Any]


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Make]:
    """Clients of each kind, by name."""

    def golden(name: str, client: str) -> Make:
        case = ROOT / "tests" / "golden" / name / "contract.json"
        package = build(json.loads(case.read_text()), tmp_path_factory.mktemp("golden") / name)
        return lambda is_async: getattr(package, f"{'Async' * is_async}{client}")(URL)

    return {
        "union": golden("unions", "UnionsEnv"),
        "reset": golden("reset_parameters", "LevelEnv"),
        "by hand": lambda is_async: (AsyncByHand if is_async else ByHand)(URL),
        "fields": lambda is_async: (AsyncCodingEnv if is_async else CodingEnv)(URL),
    }


class HandCodec(Codec[Any, Any, Any]):
    def _step_payload(self, action: Any) -> dict[str, Any]:
        fields: dict[str, Any] = action
        return fields

    def _parse_result(self, payload: dict[str, Any]) -> rt.StepResult[Any]:
        return rt.StepResult(payload["observation"], None, False, {})

    def _parse_state(self, payload: dict[str, Any]) -> Any:
        return payload


class ByHand(HandCodec, rt.EnvClient[Any, Any, Any]):
    pass


class AsyncByHand(HandCodec, rt.AsyncEnvClient[Any, Any, Any]):
    pass


def called(client: Any, call: Callable[[Any], Any]) -> Any:
    """The outcome of a call; awaited, if the client is asynchronous."""
    outcome = call(client)
    return asyncio.run(outcome) if inspect.iscoroutine(outcome) else outcome


ANY = ("union", "reset", "by hand", "fields")
NO_FIELDS = ("union", "by hand")
CASES: list[tuple[tuple[str, ...], Callable[[Any], Any], str]] = [
    (NO_FIELDS, lambda env: env.step(), r"needs action|as in step\("),
    (NO_FIELDS, lambda env: env.step(code="1"), r"not code=: make the action .* step\("),
    (NO_FIELDS, lambda env: env.step(1, 2), r"not 2 values by position: make the action"),
    (NO_FIELDS, lambda env: env.step(action=1), "action by position"),
    (("union",), lambda env: env.step(), r"step\(Go\(\.\.\.\)\)"),
    (("union",), lambda env: env.step({"to": {}}), r"Go or Stay, .*step\(Go\(\*\*fields\)\)"),
    (("by hand",), lambda env: env.step("up"), "str has none"),
    (("by hand",), lambda env: env.step({}, request_id=5), "request_id, not 5"),
    (("by hand",), lambda env: env.step({}, request_id="a\r\nb: c"), "line of ASCII"),
    (ANY, lambda env: env.step({}, timeout=5), "timeout_s"),
    (ANY, lambda env: env.reset(7), r"seed, episode_id.* by name, not 1 value by position"),
    (NO_FIELDS, lambda env: env.reset(7), r"by position.*: write reset\(seed=7\b"),
    (("reset",), lambda env: env.reset(7), r": write reset\(seed=7, level=\.\.\.\)$"),
    (("reset",), lambda env: env.reset(seed=7), "needs level"),
    (("reset",), lambda env: env.reset(7, x=1), r"not 1 value by position, and needs level: "),
    (ANY, lambda env: env.reset(seed="7", level=1), "integer as seed, not '7'"),
    (ANY, lambda env: env.reset(seed=1.5, level=1), "integer as seed"),
    (ANY, lambda env: env.reset(seed=True, level=1), "integer as seed"),
    (ANY, lambda env: env.reset(episode_id=5, level=1), "string as episode_id, not 5"),
    (ANY, lambda env: env.state(1), "timeout_s by name, not 1 value by position"),
    (ANY, lambda env: env.state(x=1, y=2), "timeout_s by name, not x= and y="),
    (ANY, lambda env: env.state(timeout=1), "timeout_s"),
    (ANY, lambda env: env.episode(), "policy by position"),
    (ANY, lambda env: env.server_contract(1), "timeout_s by name"),
    (ANY, lambda env: env.is_healthy(1), "timeout_s by name"),
    (ANY, lambda env: env.close(1), r"close\(\) takes nothing, not 1 value"),
]


@both_clients
@pytest.mark.parametrize(
    ("kind", "call", "told"),
    [(kind, call, told) for kinds, call, told in CASES for kind in kinds],
)
def test_a_wrong_argument_is_told(
    make: dict[str, Make], kind: str, call: Callable[[Any], Any], told: str, is_async: bool
) -> None:
    env = make[kind](is_async)
    with pytest.raises(rt.InvalidRequest, match=told) as caught:
        called(env, call)
    assert not caught.value.sent
    assert "(new)" in repr(env), "nothing has changed"


@both_clients
def test_a_type_error_of_the_users_own_is_raised_as_it_is(is_async: bool) -> None:
    def broken(action: Any) -> dict[str, Any]:
        return {"length": len(action)}

    env = (AsyncByHand if is_async else ByHand)(URL)
    env._step_payload = broken  # type: ignore[method-assign]
    with pytest.raises(TypeError, match="int") as caught:
        called(env, lambda env: env.step(5))
    assert not isinstance(caught.value, rt.EnvError)


@both_clients
def test_a_call_looks_as_it_was_written(is_async: bool) -> None:
    client: type[Any] = AsyncByHand if is_async else ByHand
    for name, parameters in (
        ("reset", ["self", "seed", "episode_id", "timeout_s", "extra"]),
        ("step", ["self", "action", "request_id", "timeout_s"]),
        ("state", ["self", "timeout_s"]),
    ):
        call = getattr(client, name)
        assert list(inspect.signature(call).parameters) == parameters
        assert inspect.iscoroutinefunction(call) == is_async
        assert call.__doc__


def test_a_seed_may_be_numpys() -> None:
    class Seen(rt.Observer):
        def on_request(self, event: rt.RequestEvent) -> None:
            seeds.append(event.data.get("seed"))

    seeds: list[object] = []
    with serving(Faulty().app()) as url, CodingEnv(url, observers=[Seen()]) as env:
        env.reset(seed=np.int64(7))  # type: ignore[arg-type]
    assert seeds == [7]
    assert type(seeds[0]) is int


# --- options of a client -------------------------------------------------------------------------

WRONG_VALUES: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"retry": 3}, TypeError, "retry takes a RetryPolicy, not int"),
    ({"retry": {"attempts": 3}}, TypeError, "retry takes a RetryPolicy, not dict$"),
    ({"retry": None}, TypeError, "retry takes a RetryPolicy, not None"),
    ({"ssl_context": True}, TypeError, "ssl_context takes an ssl.SSLContext, not bool"),
    ({"http_client": 5}, TypeError, r"http_client takes an httpx\.(Async)?Client, not int"),
    ({"http_client": httpx}, TypeError, r"http_client takes an httpx\.(Async)?Client, not module"),
    ({"provider": 5}, TypeError, "provider takes what started the server, .* not int"),
    ({"provider": LocalDockerProvider}, TypeError, "not the class LocalDockerProvider"),
    ({"observers": 5}, TypeError, "observers takes a list of Observer objects, not int"),
    ({"observers": rt.Observer()}, TypeError, "a list of Observer objects, not Observer"),
    ({"observers": [5]}, TypeError, "a list of Observer objects, not list of others"),
    ({"observers": [rt.Observer]}, TypeError, "observers takes a list of Observer objects"),
    ({"default_headers": [("a", "b")]}, TypeError, "default_headers takes a mapping of str to str"),
    ({"default_headers": {"a": 5}}, TypeError, "a mapping of str to str, not dict of others"),
    ({"default_headers": {b"a": b"x"}}, TypeError, "default_headers takes a mapping of str to str"),
    ({"default_headers": {"Host": "x"}}, ValueError, "default_headers can't have Host"),
    ({"default_headers": {"content-length": "5"}}, ValueError, "can't have content-length"),
    ({"default_headers": {"Upgrade": "h2c"}}, ValueError, "can't have Upgrade"),
    ({"default_headers": {"Sec-WebSocket-Key": "x"}}, ValueError, "can't have Sec-WebSocket-Key"),
    ({"url": URL}, TypeError, "use base_url"),
]


@pytest.mark.parametrize("client", [CodingEnv, AsyncCodingEnv])
@pytest.mark.parametrize(("options", "kind", "told"), WRONG_VALUES)
def test_an_option_of_a_wrong_type_is_told_when_the_client_is_made(
    client: Any, options: dict[str, Any], kind: type[Exception], told: str
) -> None:
    with pytest.raises(kind, match=told) as caught:
        client(URL, **options)
    assert "\n" not in str(caught.value)
    if "url" not in options and "provider" not in options:
        with pytest.raises(kind, match=told):
            called(client, lambda env: env.from_url(URL, **options))


@both_clients
def test_an_http_client_of_the_other_kind_is_told_when_the_client_is_made(is_async: bool) -> None:
    other, wanted = (httpx.Client, "AsyncClient") if is_async else (httpx.AsyncClient, "Client")
    with pytest.raises(TypeError, match=rf"takes an httpx\.{wanted}, not {other.__name__}"):
        (AsyncCodingEnv if is_async else CodingEnv)(URL, http_client=other())


def test_options_that_only_look_like_one_are_taken() -> None:
    class Told:
        def on_request(self, event: object) -> None: ...

        on_reply = on_retry = on_request

    class Stops:
        def stop_container(self) -> None: ...

    provider: Any = Stops()
    observers: Any = [Told()]
    CodingEnv(
        URL, provider=provider, observers=observers, default_headers=httpx.Headers({"a": "b"})
    ).close()


@pytest.mark.parametrize("client", [CodingEnv, AsyncCodingEnv, ByHand])
def test_a_client_without_an_address_is_told_how_to_give_it(client: Any) -> None:
    with pytest.raises(TypeError, match=r"address first, or as base_url, not as url$"):
        client(url=URL)
    with pytest.raises(
        TypeError, match=r"^\w+\(\) takes the server's address first, or as base_url$"
    ):
        client(step_timeout_s=5)
    assert inspect.signature(client).parameters["base_url"].default is inspect.Parameter.empty


ADDRESSES: list[tuple[Any, type[Exception], str]] = [
    (None, TypeError, "base_url takes a str, such as 'http://localhost:8000', not None"),
    (b"http://h", TypeError, "base_url takes a str, .*, not bytes"),
    (httpx.URL("http://h"), TypeError, r"base_url takes a str, .*, not URL: write str\(url\)"),
    ("", ValueError, "base_url is empty: it must look like http://host:port"),
    ("  ", ValueError, "base_url is empty"),
    ("//h:1", ValueError, "base_url needs a scheme: http://h:1 or https://h:1$"),
    ("localhost:8000", ValueError, "http://localhost:8000 or https://localhost:8000$"),
    ("u:open-sesame@h:1", ValueError, "needs a scheme: http://h:1 or"),
    ("u:/open-sesame@h:1", ValueError, "needs a scheme: http://h:1 or"),
    ("http:/h:1", ValueError, "base_url needs two slashes behind http:"),
    ("unix:/x", ValueError, "base_url can't begin with unix:/; it must look like http://host:port"),
    ("ftp://h", ValueError, "base_url can't begin with ftp://; it must look like"),
    ("http://", ValueError, "base_url has no host"),
    ("http://:80", ValueError, "base_url has no host"),
    ("http://[::1", ValueError, "not a valid address: its host can't be read$"),
    ("hf://me/space", ValueError, r"from_hub\('OWNER/NAME'\)$"),
    ("docker://image", ValueError, r"from_docker_image\('IMAGE'\)$"),
]


@pytest.mark.parametrize(("address", "kind", "told"), ADDRESSES, ids=str)
def test_an_address_that_is_none_is_told_in_one_sentence(
    address: Any, kind: type[Exception], told: str
) -> None:
    for make in (CodingEnv, AsyncCodingEnv, CodingEnv.from_url):
        with pytest.raises(kind, match=told) as caught:
            make(address)
        assert "\n" not in str(caught.value)
        assert "can't be read or" not in str(caught.value)
        assert "sesame" not in str(caught.value)


# --- options of what starts a server ----------------------------------------------------------

NO_FOLDER = "/no/such/folder"  # what is not refused before fails otherwise
WRONG_OPTIONS: list[tuple[Callable[[Any], Any], type[Exception], str]] = [
    (lambda env: env.from_url(URL, wrong=1), TypeError, "from_url.*'wrong'"),
    (lambda env: env.from_url(URL, headers={}), TypeError, "use default_headers"),
    (lambda env: env.from_url(URL, barrier="no"), ValueError, "barrier must be one of"),
    (lambda env: env.from_url(URL, timeout_s="5"), ValueError, "timeout_s must be a number"),
    (lambda env: env.from_hub("a/b", headers={}), TypeError, "from_hub.*'default_headers': "),
    (lambda env: env.from_hub("a/b", remote=True, headers={}), TypeError, "'default_headers': "),
    (lambda env: env.from_hub("a/b", use_docker=True, headers={}), TypeError, "client_options"),
    (lambda env: env.from_hub("a/b", step_timeout_s=3), TypeError, "{'step_timeout_s': ...}"),
    (
        lambda env: env.from_project(NO_FOLDER, client_options={"headers": {}}),
        TypeError,
        "use default_headers",
    ),
    (lambda env: env.from_project(NO_FOLDER, wrong=1), TypeError, "from_project.*'wrong'"),
    (
        lambda env: env.from_project(NO_FOLDER, client_options={"step_timeout_s": 0}),
        ValueError,
        "step_timeout_s must be",
    ),
    (lambda env: env.from_docker_image("x", memroy="2g"), TypeError, "from_docker_image.*memroy"),
]


@pytest.mark.parametrize("client", [CodingEnv, AsyncCodingEnv])
@pytest.mark.parametrize(("start", "kind", "told"), WRONG_OPTIONS)
def test_a_wrong_option_is_told_before_anything_starts(
    client: Any, start: Callable[[Any], Any], kind: type[Exception], told: str
) -> None:
    with pytest.raises(kind, match=told):
        called(client, start)

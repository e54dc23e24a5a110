"""The wire, without a wire."""

from __future__ import annotations

import contextlib
import json
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import envgen_runtime as rt
from envgen_runtime.json_value import JsonFields
from envgen_runtime.wire import address, protocol
from envgen_runtime.wire.envelope import Envelope
from envgen_runtime.wire.protocol import Operation, Request
from tests.strategies import JSON


def request(operation: Operation = "step", **data: Any) -> Request:
    return Request.begun(operation, data, timeout_s=2.5, request_id="r-1", episode_id="e-1")


@pytest.mark.parametrize(
    ("base_url", "http", "websocket"),
    [
        ("http://h:8000", "http://h:8000", "ws://h:8000/ws"),
        ("ws://h:8000/", "http://h:8000", "ws://h:8000/ws"),
        ("https://h/env///", "https://h/env", "wss://h/env/ws"),
        ("wss://h/env/ws", "https://h/env", "wss://h/env/ws"),
        ("http://[::1]:80", "http://[::1]:80", "ws://[::1]:80/ws"),
    ],
)
def test_addresses(base_url: str, http: str, websocket: str) -> None:
    assert address.endpoint(base_url) == address.Endpoint(http, websocket)


@pytest.mark.parametrize("base_url", ["", "h:8000", "ftp://h", "http://", "http://h#x"])
def test_what_is_no_address(base_url: str) -> None:
    with pytest.raises(ValueError, match="base_url"):
        address.endpoint(base_url)


@pytest.mark.parametrize("base_url", ["http://h:99999", "http://h:abc", "http://h:0"])
def test_a_port_that_is_none_is_seen_at_once(base_url: str) -> None:
    with pytest.raises(ValueError, match=r"[Pp]ort"):
        address.endpoint(base_url)


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(st.data())
def test_an_odd_reply_is_an_error_of_ours(data: st.DataObject) -> None:
    """Whatever a server sends; nothing else is raised."""
    codes = st.sampled_from(["VALIDATION_ERROR", "CAPACITY_REACHED", "X"]) | JSON
    errors = st.lists(st.fixed_dictionaries({"loc": JSON, "msg": JSON})) | JSON
    body = st.fixed_dictionaries({}, optional={"code": codes, "errors": errors, "detail": errors})
    frame = st.fixed_dictionaries(
        {}, optional={"type": st.sampled_from(["error", "observation"]) | JSON, "data": body | JSON}
    )
    drawn = json.dumps(data.draw(frame | body | JSON))
    text = data.draw(st.sampled_from([drawn, drawn[:-1], "[" * 100_000, "{" * 9]))
    for read in (
        lambda: protocol.read_frame(text, request()),
        lambda: protocol.read_http(data.draw(st.integers(100, 599)), text.encode(), request()),
    ):
        with contextlib.suppress(rt.EnvError):
            assert isinstance(read(), dict)


def test_frames() -> None:
    assert json.loads(protocol.websocket_frame(request(code="x"))) == {
        "type": "step",
        "data": {"code": "x"},
    }
    assert json.loads(protocol.websocket_frame(request("reset"))) == {"type": "reset", "data": {}}
    assert protocol.websocket_frame(request("state")) == b'{"type":"state"}', (
        "data is refused there"
    )


def test_http_bodies() -> None:
    call = protocol.http_call(request(code="x"))
    assert (call.method, call.path) == ("POST", "/step")
    assert json.loads(call.body or b"") == {
        "action": {"code": "x"},
        "timeout_s": 3,
        "request_id": "r-1",
        "episode_id": "e-1",
    }
    assert protocol.http_call(request("reset", seed=1)).body == b'{"seed":1}'
    assert protocol.http_call(request("state")).body is None


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), {1, 2}, "\ud800"])
def test_what_json_can_not_say_is_never_sent(value: Any) -> None:
    for encode in (protocol.websocket_frame, protocol.http_call):
        with pytest.raises(rt.InvalidRequest, match=r"\$\.x\[0\]") as caught:
            encode(request(x=[value]))
        assert caught.value.path == "$.x[0]"
        with pytest.raises(rt.InvalidRequest):  # changed after it was made
            encode(request()._replace(data=JsonFields(x=value)))


@pytest.mark.parametrize(
    "value", ["NaN", "Infinity", "\\ud800", "\U0001f600", "\u2028", 10**30, [0.1, 1e22]]
)
def test_fields_known_to_be_json_arrive_as_they_are(value: Any) -> None:
    for key, encode in (("data", protocol.websocket_frame), ("action", protocol.http_call)):
        encoded: Any = encode(request()._replace(data=JsonFields(x=value)))
        text = encoded if isinstance(encoded, bytes) else encoded.body
        assert json.loads(text)[key] == {"x": value}


@pytest.mark.parametrize(
    "frame",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"type":"observation"}',
        '{"type":"observation","data":[]}',
        '{"type":"state","data":{}}',
        '{"type":"new","data":{}}',
        b"\xff",
    ],
)
def test_a_frame_that_is_no_answer(frame: str | bytes) -> None:
    with pytest.raises(rt.ProtocolError) as caught:
        protocol.read_frame(frame, request())
    assert caught.value.maybe_applied
    assert caught.value.request_id == "r-1"


def error_frame(code: str, **data: Any) -> str:
    return json.dumps({"type": "error", "data": {"message": "no", "code": code, **data}})


def test_server_errors() -> None:
    with pytest.raises(rt.ServerError, match=r"EXECUTION_ERROR\): no") as execution:
        protocol.read_frame(error_frame("EXECUTION_ERROR"), request())
    assert (execution.value.ends_session, execution.value.maybe_applied) == (False, True)
    with pytest.raises(rt.ServerError) as session:
        protocol.read_frame(error_frame("SESSION_ERROR"), request())
    assert session.value.ends_session
    with pytest.raises(rt.CapacityReached) as capacity:
        protocol.read_frame(error_frame("CAPACITY_REACHED", max_sessions=4), request("reset"))
    assert (capacity.value.max_sessions, capacity.value.active_sessions) == (4, None)
    with pytest.raises(rt.CapacityReached) as of_a_step:
        protocol.read_frame(error_frame("CAPACITY_REACHED"), request("step"))
    assert of_a_step.value.maybe_applied, "a gateway may have put it in place of the reply"


@pytest.mark.parametrize("limit", [True, "many", None, [4], 0.5])
def test_a_limit_of_sessions_that_is_no_number_is_not_shown(limit: Any) -> None:
    message = "Server at capacity. Cannot accept new connections."
    frame = error_frame("CAPACITY_REACHED", message=message, max_sessions=limit)
    with pytest.raises(rt.CapacityReached) as full:
        protocol.read_frame(frame, request("reset"))
    assert "new connections. RetryPolicy(" in str(full.value), "with one full stop"
    assert "allows" not in str(full.value)
    assert full.value.max_sessions is None
    assert full.value.server_text == message


def test_refused_actions_name_their_fields() -> None:
    errors = [{"loc": ["x", 0], "msg": "too large"}]
    with pytest.raises(rt.ActionRejected, match=r"x\.0: too large") as over_socket:
        protocol.read_frame(error_frame("VALIDATION_ERROR", errors=errors), request())
    with pytest.raises(rt.ActionRejected, match=r"x\.0: too large") as over_http:
        protocol.read_http(422, json.dumps({"detail": errors}).encode(), request())
    assert over_socket.value.errors == over_http.value.errors == errors
    assert not over_http.value.maybe_applied
    assert over_socket.value.maybe_applied, "the environment itself may have raised it in its step"
    with pytest.raises(rt.ActionRejected) as of_a_reset:
        protocol.read_frame(error_frame("VALIDATION_ERROR", errors=errors), request("reset"))
    assert not of_a_reset.value.maybe_applied


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (500, b"Internal Server Error", "HTTP_500: Internal Server Error"),
        (404, b'{"detail":"Not Found"}', "HTTP_404: Not Found"),
        (503, b"", "HTTP_503: no message"),
        (302, b"<html>", "HTTP_302: <html>"),
    ],
)
def test_http_errors(status: int, body: bytes, says: str) -> None:
    with pytest.raises(rt.ServerError, match=says):
        protocol.read_http(status, body, request())


@pytest.mark.parametrize(
    ("beside", "inside", "metadata"),
    [
        ({"a": 1}, {"b": 2}, {"a": 1}),
        (None, {"b": 2}, {"b": 2}),
        ({}, {"b": 2}, {"b": 2}),
        (None, None, {}),
    ],
)
def test_metadata_is_found_where_it_is(beside: Any, inside: Any, metadata: Any) -> None:
    payload = {"observation": {"metadata": inside}, "metadata": beside, "done": False}
    assert Envelope.read(payload).metadata == metadata


@pytest.mark.parametrize(
    ("payload", "lifted"),
    [
        ({"observation": {}, "reward": 1, "done": False}, {"reward": 1, "done": False}),
        ({"observation": {"metadata": None}, "done": True}, {"metadata": None, "done": True}),
        ({"observation": {"metadata": "m"}, "done": True}, {"metadata": "m", "done": True}),
        ({"observation": {}, "done": True, "metadata": None}, {"done": True}),
        ({"observation": {"reward": 5.0}, "done": False}, {"reward": 5.0, "done": False}),
        ({"observation": {"done": True}}, {"done": True}),
    ],
)
def test_only_what_was_moved_is_put_back(payload: dict[str, Any], lifted: dict[str, Any]) -> None:
    envelope = Envelope.read(payload)
    assert envelope.with_lifted("done", "reward", "metadata") == lifted
    assert (envelope.reward, envelope.done) == (lifted.get("reward"), lifted["done"])


@pytest.mark.parametrize(
    ("payload", "path"),
    [
        ({"done": False}, "$.observation"),
        ({"observation": [], "done": False}, "$.observation"),
        ({"observation": {}}, "$.done"),
        ({"observation": {}, "done": 0}, "$.done"),
        ({"observation": {}, "done": False, "reward": "1"}, "$.reward"),
    ],
)
def test_a_reply_that_lacks_something_is_loud(payload: dict[str, Any], path: str) -> None:
    with pytest.raises(rt.ReplyMismatch) as caught:
        Envelope.read(payload)
    assert caught.value.path == path


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_a_reward_that_is_no_finite_number_is_loud(number: str) -> None:
    """Python's ``json`` writes the first three, and a sum of rewards would be none either."""
    payload = json.loads(f'{{"observation": {{}}, "done": true, "reward": {number}}}')
    for read in (Envelope.read, partial(Envelope.at, observation="/observation", reward="/reward")):
        with pytest.raises(rt.ReplyMismatch, match=str(float(number))):
            read(payload)


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("retry_after_s", [None, 1.0])
def test_a_step_that_a_gateway_refuses_may_have_been_applied(
    status: int, retry_after_s: float | None
) -> None:
    def refused(operation: protocol.Operation) -> rt.ServerError:
        request = protocol.Request.begun(operation, {}, 1, "r")
        return protocol.server_error(
            {}, code=f"HTTP_{status}", request=request, retry_after_s=retry_after_s
        )

    step, reset = refused("step"), refused("reset")
    assert (step.retryable, step.maybe_applied) == (False, True)
    assert (reset.retryable, reset.maybe_applied) == (True, False)


@pytest.mark.parametrize("reply", [b'"\xff"', b'{"a": ', b"[" * 100_000])
def test_an_error_does_not_hold_the_reply_that_is_no_json(reply: bytes) -> None:
    """A parser's errors do. To redact one takes seconds, if the reply is large."""
    with pytest.raises(rt.ProtocolError) as refused:
        protocol.parse_json(reply, request())
    assert refused.value.__context__ is None

"""Tools: what their results are read as, which errors their failures become, what calls send."""

from __future__ import annotations

import asyncio
import base64
import copy
import inspect
import pickle
import subprocess
import sys
from collections.abc import Mapping
from typing import Any, Literal

import pytest
from pydantic import Field, TypeAdapter

import envgen_runtime as rt
from envgen_runtime import JsonValue
from envgen_runtime.generated import ReplyModel, RequestModel
from envgen_runtime.tools import (
    OMITTED,
    AsyncToolset,
    AudioContent,
    EmbeddedResource,
    ImageContent,
    ResourceLink,
    TextContent,
    Tool,
    ToolReply,
    ToolResult,
    Toolset,
    UnknownContent,
    read_result,
)
from envgen_runtime.tools.content import MAX_BLOCKS


class Order(RequestModel):
    sku: str
    qty: int = Field(ge=1, le=99)


class PlaceOrderArguments(RequestModel):
    orders: list[Order]
    speed: Literal["slow", "fast"] = "slow"
    from_: str | None = Field(default=None, alias="from")


class Receipt(ReplyModel):
    total: float


PLACE_ORDER = Tool[PlaceOrderArguments, Receipt]("place-order")
COUNT = Tool[PlaceOrderArguments, int | None]("count", wrapped=True)
SUMS = Tool[PlaceOrderArguments, dict[str, int]]("sums", wrapped=True)


class ShopToolset(Toolset):
    def place_order(
        self,
        *,
        orders: list[Order],
        speed: Literal["slow", "fast"] = OMITTED,
        from_: str | None = OMITTED,
        timeout_s: float | None = None,
    ) -> ToolResult[Receipt]:
        """Place an order."""
        given = {"orders": orders, "speed": speed, "from_": from_}
        return self._call(PLACE_ORDER, given, timeout_s=timeout_s)


class AsyncShopToolset(AsyncToolset):
    async def place_order(self, *, orders: list[Order]) -> ToolResult[Receipt]:
        """Place an order."""
        return await self._call(PLACE_ORDER, {"orders": orders})


class Caller:
    """Keeps what it is asked to call, and replies as it was told."""

    def __init__(self, result: Any, **others: Any) -> None:
        self.calls: list[tuple[str, Mapping[str, JsonValue], float | None]] = []
        self._reply = ToolReply(result, **others)

    def call(
        self, name: str, arguments: Mapping[str, JsonValue], *, timeout_s: float | None
    ) -> ToolReply:
        self.calls.append((name, arguments, timeout_s))
        return self._reply

    def explain(self, error: rt.ToolResultMismatch) -> Any: ...


def text(words: str) -> dict[str, str]:
    return {"type": "text", "text": words}


def result(*content: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"content": [*content], **fields}


# --- what is sent ---------------------------------------------------------------------------------


def test_a_call_sends_what_was_set_by_its_names_on_the_wire() -> None:
    caller = Caller(result(structuredContent={"total": 7}), reward=1.0, done=True)
    shop = ShopToolset(caller)
    placed = shop.place_order(orders=[Order(sku="a", qty=2)])
    assert (placed.data, placed.reward, placed.done) == (Receipt(total=7), 1.0, True)
    shop.place_order(orders=[], speed="slow", from_=None, timeout_s=3)
    assert caller.calls == [
        ("place-order", {"orders": [{"sku": "a", "qty": 2}]}, None),
        ("place-order", {"orders": [], "speed": "slow", "from": None}, 3),
    ]


def test_an_async_call() -> None:
    class Awaited(Caller):
        async def call(self, name: str, *args: Any, **options: Any) -> ToolReply:  # type: ignore[override]
            return super().call(name, *args, **options)

    caller = Awaited(result(structuredContent={"total": 7}))
    placed = asyncio.run(AsyncShopToolset(caller).place_order(orders=[]))
    assert (placed.data.total, caller.calls) == (7, [("place-order", {"orders": []}, None)])


def test_arguments_are_refused_before_they_are_sent() -> None:
    caller = Caller(result())
    with pytest.raises(rt.ToolArgumentsInvalid) as refused:
        ShopToolset(caller).place_order(orders=[{"sku": "a", "qty": 100}])  # type: ignore[list-item]
    error = refused.value
    assert (error.tool, error.path, error.sent) == ("place-order", "$.orders[0].qty", False)
    with pytest.raises(rt.ToolArgumentsInvalid):
        PLACE_ORDER.arguments({"orders": [], "colour": "red"})
    with pytest.raises(rt.ToolArgumentsInvalid):
        PLACE_ORDER.arguments(Receipt(total=1))  # type: ignore[arg-type]
    assert caller.calls == []


@pytest.mark.parametrize(
    ("given", "path"),
    [({"orders": [], "from_": "\ud83d"}, "$.from"),
     ({"orders": [Order(sku="a\ud83d", qty=1)]}, "$.orders[0].sku")],
)  # fmt: skip
def test_half_a_surrogate_pair_is_refused_with_its_place(given: Any, path: str) -> None:
    with pytest.raises(rt.ToolArgumentsInvalid, match="half of a surrogate pair") as refused:
        PLACE_ORDER.arguments(given)
    assert (refused.value.path, refused.value.sent) == (path, False)


class NumberArguments(RequestModel):
    x: int | str | list[int]


@pytest.mark.parametrize(("given", "path"), [({}, "$.x"), ([1, "a"], "$.x")])
def test_a_place_has_no_branches_of_unions(given: Any, path: str) -> None:
    with pytest.raises(rt.ToolArgumentsInvalid) as refused:
        Tool[NumberArguments, Any]("num").arguments({"x": given})
    assert refused.value.path == path
    assert "[union" not in str(refused.value)
    assert "$.x.str" not in str(refused.value)


def test_an_instance_is_sent_as_it_is() -> None:
    given = PlaceOrderArguments(orders=[], speed="fast")
    assert PLACE_ORDER.arguments(given) == {"orders": [], "speed": "fast"}


def test_the_omitted_is_itself_in_copies_and_signatures() -> None:
    assert pickle.loads(pickle.dumps(OMITTED)) is OMITTED
    assert copy.deepcopy(OMITTED) is OMITTED
    assert "speed: \"Literal['slow', 'fast']\" = ...," in str(
        inspect.signature(ShopToolset.place_order)
    )


# --- results --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tool", "reply", "data"),
    [
        (COUNT, result(structuredContent={"result": 4}), 4),
        (COUNT, result(structuredContent={"result": None}), None),
        (COUNT, result(structured_content={"result": 4}, data=4), 4),
        (COUNT, result(text("4"), structured_content=None, data=4), 4),
        (COUNT, result(text("4")), 4),
        (COUNT, result(text('{"result": 4}')), 4),
        (COUNT, 4, 4),
        (PLACE_ORDER, result(text('{"total": 1.5}')), Receipt(total=1.5)),
        (PLACE_ORDER, result(text("seven"), data={"total": 7}), Receipt(total=7)),
        (SUMS, result(text('{"result": 4, "other": 5}')), {"result": 4, "other": 5}),
    ],
)
def test_data(tool: Tool[Any, Any], reply: Any, data: Any) -> None:
    found = tool.result(ToolReply(reply)).data
    assert (found, type(found)) == (data, type(data))


@pytest.mark.parametrize("without", [{}, {"content": None}])
def test_structured_content_is_read_without_content(without: dict[str, Any]) -> None:
    receipt = PLACE_ORDER.result(ToolReply({**without, "structuredContent": {"total": 7}}))
    assert (receipt.data, receipt.text, receipt.content) == (Receipt(total=7), "", ())
    wrapped = read_result(
        ToolReply({**without, "structured_content": {"result": 1}}), tool="x", is_wrapped=True
    )
    assert (wrapped.data, wrapped.structured) == (1, {"result": 1})


def test_a_text_that_looks_like_a_number_stays_a_text() -> None:
    tool = Tool[PlaceOrderArguments, str]("say", wrapped=True)
    assert tool.result(ToolReply(result(text("42")))).data == "42"
    assert tool.result(ToolReply(result(text("it's 42")))).data == "it's 42"


def test_a_text_that_is_nested_too_deeply_is_a_text() -> None:
    deep = "[" * 100_000
    assert Tool[PlaceOrderArguments, str]("say").result(ToolReply(result(text(deep)))).data == deep
    with pytest.raises(rt.ToolResultMismatch):
        PLACE_ORDER.result(ToolReply(result(text(deep))))


@pytest.mark.parametrize(
    "value",
    [
        {"content": ["a", "b"], "page": 1},
        {"content": [{"id": 1, "price": 2.5}], "page": 1},
        {"content": "a text", "page": 1},
        {"content": None},
    ],
)
def test_a_value_of_the_servers_own_may_have_content(value: Any) -> None:
    assert read_result(ToolReply(value), tool="search").data == value


@pytest.mark.parametrize(
    "reply",
    [
        result(),
        result(text("x"), {"id": 1}),
        result({"id": 1}, isError=False),
        {"content": [], "is_error": False},
        {"content": None, "structuredContent": {"a": 1}},
    ],
)
def test_a_result_of_mcp_is_told_from_it(reply: Any) -> None:
    assert read_result(ToolReply(reply), tool="search").data != reply


def test_without_an_output_schema_data_is_what_came() -> None:
    tool = Tool[PlaceOrderArguments, JsonValue]("say")
    structured = tool.result(ToolReply(result(text("x"), structuredContent={"a": [1]})))
    assert (structured.data, structured.text) == ({"a": [1]}, "x")
    assert tool.result(ToolReply(result(text("one"), text("two")))).data == "one\ntwo"
    assert tool.result(ToolReply({"a": 1})).text == '{"a": 1}'


def test_unknown_fields_of_a_result_are_kept() -> None:
    found = PLACE_ORDER.result(ToolReply(result(structuredContent={"total": 1, "tax": 2}))).data
    assert found.model_extra == {"tax": 2}


@pytest.mark.parametrize(
    ("tool", "reply", "path"),
    [
        (PLACE_ORDER, result(structuredContent={"total": "1"}), "$.structuredContent.total"),
        (COUNT, result(structuredContent={"result": "1"}), "$.structuredContent.result"),
        (COUNT, result(structuredContent={"result": True}), "$.structuredContent.result"),
        (COUNT, result(structuredContent={"count": 1}), "$.structuredContent"),
        (COUNT, result(text("many")), "$.content"),
        (COUNT, result(), "$.content"),
    ],
)
def test_a_result_that_does_not_fit(tool: Tool[Any, Any], reply: Any, path: str) -> None:
    with pytest.raises(rt.ToolResultMismatch) as raised:
        tool.result(ToolReply(reply, reward=0.5, done=True, observation="seen"))
    error = raised.value
    assert isinstance(error, rt.ReplyMismatch)
    assert (error.path, error.reward, error.done) == (path, 0.5, True)
    assert (error.observation, error.result, error.maybe_applied) == ("seen", reply, True)


def test_a_step_without_the_result_has_its_reward() -> None:
    found = PLACE_ORDER.result(ToolReply(None, reward=2.0, done=True, observation="the end"))
    for same in (found, pickle.loads(pickle.dumps(found))):
        assert (same.reward, same.done, same.observation, same.text) == (2.0, True, "the end", "")
        assert "without a result" in repr(same)
        with pytest.raises(rt.ToolResultMismatch) as raised:
            assert same.data
        assert (raised.value.reward, raised.value.done) == (2.0, True)


def test_a_server_without_an_environment_owes_a_result() -> None:
    with pytest.raises(rt.ToolResultMismatch):
        PLACE_ORDER.result(ToolReply(None))


@pytest.mark.parametrize("error", [None, {"error_type": "execution_error", "message": "no"}])
def test_more_blocks_than_are_read_are_a_mismatch_that_keeps_the_step(error: Any) -> None:
    most = [{"type": "text", "text": "a"}] * MAX_BLOCKS
    with pytest.raises(rt.ToolResultMismatch, match="10,001") as caught:
        read_result(ToolReply({"content": [*most, {}]}, error, 0.5, True), tool="look")
    assert (caught.value.reward, caught.value.done) == (0.5, True)
    assert len(read_result(ToolReply({"content": most}), tool="look").content) == MAX_BLOCKS


def test_content_blocks_are_typed() -> None:
    data = base64.b64encode(b"bytes").decode()
    image = {"type": "image", "data": data, "mimeType": "image/png"}
    sound = {"type": "audio", "data": data, "mime_type": "audio/wav", "annotations": None}
    link = {"type": "resource_link", "uri": "file:///a", "name": "a", "mimeType": None}
    page = {"type": "resource", "resource": {"uri": "file:///b", "text": "b"}}
    blob = {"type": "resource", "resource": {"uri": "file:///c", "blob": data}}
    later = {"type": "hologram", "depth": 3}
    broken = {"type": "image", "data": "not base64", "mimeType": "image/png"}
    reply = result(text("x"), image, sound, link, page, blob, later, broken)
    found = read_result(ToolReply(reply), tool="show")
    assert found.content == (
        TextContent("x", text("x")),
        ImageContent(b"bytes", "image/png", image),
        AudioContent(b"bytes", "audio/wav", sound),
        ResourceLink("file:///a", "a", None, link),
        EmbeddedResource("file:///b", None, "b", None, page),
        EmbeddedResource("file:///c", None, None, b"bytes", blob),
        UnknownContent("hologram", later),
        UnknownContent("image", broken),
    )
    assert pickle.loads(pickle.dumps(found)) == found


def test_numbers_are_as_exact_as_in_models() -> None:
    tool = Tool[PlaceOrderArguments, float]("weigh", wrapped=True)
    large = 2**60 + 1
    assert tool.result(ToolReply(result(structuredContent={"result": large}))).data == large
    assert TypeAdapter(float).validate_python(large) != large


# --- errors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error_type", "kind"),
    [
        ("tool_not_found", rt.ToolNotFound),
        ("invalid_args", rt.ToolArgumentsInvalid),
        ("execution_error", rt.ToolExecutionFailed),
        ("transport_error", rt.ToolTransportFailed),
        ("timeout", rt.ToolTimeout),
        ("of_a_later_server", rt.ToolExecutionFailed),
    ],
)
def test_errors_of_a_step(error_type: str, kind: type[rt.ToolError]) -> None:
    told = {"error_type": error_type, "message": "no\x1b[2J"}
    reply = ToolReply(None, told, reward=-1.0, done=True, observation={"tool_name": "x"})
    with pytest.raises(rt.ToolError) as raised:
        read_result(reply, tool="x")
    error = raised.value
    assert type(error) is kind
    assert (error.tool, error.reward, error.done, error.sent) == ("x", -1.0, True, True)
    assert error.observation == {"tool_name": "x"}
    assert not isinstance(error, rt.RequestTimeout)
    assert error.for_model() == f"Error in x: {kind.summary}: no\\x1b[2J"
    assert error.server_text == "no\x1b[2J"


@pytest.mark.parametrize("name", ["isError", "is_error"])
def test_an_error_of_mcp_has_its_content(name: str) -> None:
    with pytest.raises(rt.ToolExecutionFailed) as raised:
        PLACE_ORDER.result(ToolReply(result(text("sold out"), **{name: True}), reward=0.0))
    error = raised.value
    assert (error.content, error.reward) == ((TextContent("sold out", text("sold out")),), 0.0)
    assert error.for_model() == "Error in place-order: the tool failed: sold out"
    assert error.maybe_applied


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (result(text("401 for hush-hush"), isError=True), None),
        (None, {"error_type": "execution_error", "message": "401 for hush-hush"}),
        (result(structuredContent={"total": "hush-hush"}), None),
    ],
)
def test_an_error_hides_what_is_secret(reply: Any, error: Any) -> None:
    answered = ToolReply(reply, error, secrets=("hush-hush",))
    with pytest.raises(rt.ToolError) as raised:
        PLACE_ORDER.result(answered)
    found = raised.value
    shown = [str(found), found.for_model(), str(found.__cause__), found.server_text or ""]
    assert "hush" not in "".join(shown)
    assert "secrets" not in repr(answered)


def test_a_message_for_a_model_is_short() -> None:
    error = rt.ToolExecutionFailed("x", tool="x", server_text="y" * 100_000)
    assert len(error.for_model()) < 3_000


def test_the_runtime_is_imported_without_tools() -> None:
    code = (
        "import sys, envgen_runtime, envgen_runtime.generated; envgen_runtime.EnvClient;"
        "sys.exit(any(name.startswith('envgen_runtime.tools') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

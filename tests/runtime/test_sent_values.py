"""One rule for what a step and a reset send: what JSON has, and numpy's numbers as numbers.

What JSON doesn't have is refused with its place, before anything is sent, and never altered.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from pydantic import BaseModel, Field

import envgen_runtime as rt
from envgen.demo.server import serving
from envgen_runtime.generated import RequestModel, wire_fields
from tests.runtime.servers import Faulty
from tests.runtime.test_misuse import HandCodec

NOWHERE = "http://127.0.0.1:9"


class Item(RequestModel):
    name: str
    weight: float = Field(default=1.0, alias="w")
    more: dict[str, Any] = Field(default={})


class Act(RequestModel):
    code: str = ""
    free: Any = None
    named: dict[str, Any] = Field(default={})
    price: Decimal = Decimal(0)
    by_number: dict[int, str] = Field(default={})
    item: Item | None = None


class Own(BaseModel):
    price: Decimal
    share: float = 0.5


class FreeEnv(HandCodec, rt.EnvClient[Act, Any, Any]):
    def _step_payload(self, action: Act) -> dict[str, Any]:
        return wire_fields(action, Act)


class Kept(rt.Observer):
    """The data of the last request."""

    data: dict[str, Any]

    def on_request(self, event: rt.RequestEvent) -> None:
        self.data = event.data


def stepped(env: FreeEnv, value: Any) -> None:
    env.step(Act(code="1 ", free=value))


def begun(env: FreeEnv, value: Any) -> None:
    env.reset(free=value)


both_calls = pytest.mark.parametrize("call", [stepped, begun])


class Shade(Enum):
    DARK = "dark"
    HALF = Fraction(1, 2)


@dataclass
class Place:
    x: int = 1


def looped() -> list[Any]:
    items: list[Any] = [1]
    items.append(items)
    return [items]


def nested(levels: int) -> list[Any]:
    items: list[Any] = []
    for _ in range(levels):
        items = [items]
    return items


NUMPYS_OWN = np.empty(1, dtype=object)
NUMPYS_OWN[0] = np.longdouble(1)

REFUSED: dict[str, tuple[Any, str, str]] = {
    "nan": ([1.0, float("nan")], "[1]", "nan can't be sent"),
    "nan of numpy": ([np.float64("nan")], "[0]", "nan"),
    "nan in an array": ({"a": np.array([[1.0, np.nan]])}, ".a[0][1]", "nan can't"),
    "bytes": (b"x", "", "type bytes"),
    "a set": ({1}, "", "type set"),
    "a long double": ([np.longdouble(1.5)], "[0]", "type longdouble"),
    "an array of them": (np.array([1.5], dtype=np.longdouble), "[0]", "type longdouble"),
    "one in an array": (NUMPYS_OWN, "[0]", "type longdouble"),
    "a list in itself": (looped(), "[0][1]", "a list that contains itself"),
    "255 levels": (nested(255), "..", "more than 254 levels"),
    "100,000 levels": (nested(100_000), "..", "more than 254 levels"),
    "a key of bytes": ({"a": {b"x": 1}}, ".a", "a key of type bytes"),
    "a key of None": ({None: 1}, "", "type NoneType"),
    "a key of int": ([{1: 2}], "[0]", "type int"),
    "a key that is a tuple": ({(1, 2): 1}, "", "type tuple"),
    "a decimal": ({"v": Decimal("1.5")}, ".v", "type Decimal"),
    "decimals": ([Decimal(1), Decimal(2)], "[0]", "type Decimal"),
    "complex": (1 + 2j, "", "type complex"),
    "a fraction": (Fraction(1, 3), "", "type Fraction"),
    "a fraction among numbers": ([0.5, Fraction(1, 3)], "[1]", "type Fraction"),
    "an iterator": (iter([1]), "", "type list_iterator"),
    "a generator": ((n for n in "ab"), "", "type generator"),
    "a path": (Path("x"), "", "type PosixPath"),
    "a dataclass": (Place(), "", "type Place"),
    "an enum of a fraction": ([Shade.HALF], "[0]", "type Fraction"),
    "in a model": (Item(name="x", more={"v": Fraction(1, 3)}), ".more.v", "type Fraction"),
    "a wrong value in a model": (Item.model_construct(name="x", weight=float("inf")), ".w", "inf"),
    "in a model of the user's": (Own(price=Decimal(1), share=float("nan")), ".share", "nan"),
}


@both_calls
@pytest.mark.parametrize(("value", "path", "told"), REFUSED.values(), ids=REFUSED)
def test_what_json_has_not_is_refused_with_its_place(
    call: Callable[..., None], value: Any, path: str, told: str
) -> None:
    env = FreeEnv(NOWHERE)
    with pytest.raises(rt.InvalidRequest, match=told) as caught:
        call(env, value)
    place = "$.free" + path.removeprefix("..")
    assert caught.value.path == place
    assert str(caught.value).startswith(f"{place}: ")
    assert len(str(caught.value)) < 200
    assert not caught.value.sent
    assert "(new)" in repr(env)


MOMENT = datetime(2020, 1, 2, tzinfo=UTC)
TAKEN: dict[str, tuple[Any, Any]] = {
    "a number of numpy's": (np.int64(3), 3),
    "a small float": (np.float32(0.5), 0.5),
    "a truth of numpy's": (np.bool_(True), True),
    "a text of numpy's": (np.str_("a"), "a"),
    "an array": (np.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
    "an array of one": (np.array(5), 5),
    "arrays in a list": ([np.arange(2), {"a": np.float64(1)}], [[0, 1], {"a": 1.0}]),
    "a tuple": ((1, "x"), [1, "x"]),
    "a time": (MOMENT, "2020-01-02T00:00:00Z"),
    "a UUID": (UUID(int=1), str(UUID(int=1))),
    "an enum": (Shade.DARK, "dark"),
    "a model": (Item(name="x"), {"name": "x"}),
    "models": ([Item(name="x", w=2)], [{"name": "x", "w": 2}]),
    "an ordered dict": (OrderedDict(a=1), {"a": 1}),
    "a key of numpy's": ({np.str_("k"): 1}, {"k": 1}),
    "a model of the user's": (Own(price=Decimal("1.5")), {"price": "1.5", "share": 0.5}),
    "253 levels": (nested(253), nested(253)),
    "a list twice": ([shared := [1], shared], [[1], [1]]),
    "a pair": ("\U0001f600", "\U0001f600"),
}


@pytest.fixture(scope="module")
def url() -> Any:
    with serving(Faulty().app()) as url:
        yield url


@pytest.mark.slow
@both_calls
@pytest.mark.parametrize(("value", "sent"), TAKEN.values(), ids=TAKEN)
def test_what_json_has_is_sent(url: str, call: Callable[..., None], value: Any, sent: Any) -> None:
    kept = Kept()
    with FreeEnv(url, observers=[kept]) as env:
        env.reset()
        call(env, value)
    assert kept.data["free"] == sent
    assert type(kept.data["free"]) is type(sent)


@both_calls
@pytest.mark.parametrize("value", ["\ud800", ["\udfff"], {"a\ud800": 1}, {"a": "\ud83d"}])
@pytest.mark.parametrize("transport", ["websocket", "http-unchecked"])
def test_half_of_a_surrogate_pair_is_refused(
    url: str, call: Callable[..., None], value: Any, transport: Any
) -> None:
    with FreeEnv(url, transport=transport) as env:
        env.reset()
        with pytest.raises(
            rt.InvalidRequest, match=r"\$\.free.*half of a surrogate pair"
        ) as caught:
            call(env, value)
        assert str(caught.value.path).startswith("$.free")
        env.step(Act(code="2 "))


def test_a_typed_field_is_sent_as_its_type_is(url: str) -> None:
    kept = Kept()
    with FreeEnv(url, observers=[kept]) as env:
        env.reset()
        env.step(Act(code="1 ", price=Decimal("1.5"), by_number={1: "a"}, named={"a": [1]}))
    assert kept.data == {
        "code": "1 ", "price": "1.5", "by_number": {"1": "a"}, "named": {"a": [1]},
    }  # fmt: skip


def test_a_free_field_that_was_changed_is_refused() -> None:
    action = Act(named={"a": 1}, item=Item(name="x"))
    assert action.item is not None
    action.item.more["v"] = Decimal(1)
    with pytest.raises(rt.InvalidRequest) as caught:
        FreeEnv(NOWHERE).step(action)
    assert caught.value.path == "$.item.more.v"


SEEDS = ["7", True, np.True_, 7.5, float("nan"), float("inf"), [7], np.array([7]), b"7", Decimal(7)]


@pytest.mark.parametrize("seed", SEEDS, ids=repr)
def test_a_seed_that_is_no_integer_is_refused(seed: Any) -> None:
    with pytest.raises(rt.InvalidRequest, match="an integer as seed, not") as caught:
        FreeEnv(NOWHERE).reset(seed=seed)
    assert caught.value.path == "$.seed"


@pytest.mark.parametrize("name", [5, b"x", ["x"], "\ud800"], ids=repr)
def test_an_episode_id_that_is_no_text_is_refused(name: Any) -> None:
    with pytest.raises(rt.InvalidRequest) as caught:
        FreeEnv(NOWHERE).reset(episode_id=name)
    assert caught.value.path == "$.episode_id"


@pytest.mark.parametrize("seed", [7, np.int64(7), np.uint8(7), np.array(7), 7.0, np.float64(7)])
def test_a_seed_is_sent_as_an_integer(url: str, seed: Any) -> None:
    kept = Kept()
    with FreeEnv(url, observers=[kept]) as env:
        env.reset(seed=seed, episode_id=np.str_("e"))
    assert kept.data == {"seed": 7, "episode_id": "e"}
    assert [type(value) for value in kept.data.values()] == [int, str]

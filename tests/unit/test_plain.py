"""Values that are JSON as they stand are sent without asking pydantic to dump them.

Whatever is sent is what pydantic's dump would have been, and what it refuses is refused.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, PlainSerializer, computed_field, field_serializer

from envgen_runtime.errors import InvalidRequest
from envgen_runtime.generated import Omittable, RequestModel, constant
from envgen_runtime.models.plain import plain_fields
from envgen_runtime.models.sending import sent_fields


class Move(RequestModel):
    kind: Literal["move"] = constant("move")
    text: str
    direction: Literal["left", "right"] = "left"
    count: Annotated[int, Field(ge=0)] = 0
    speed: float = 1.0
    is_fast: bool = False
    either: int | str | None = None
    renamed: str = Field(default="", alias="re-named")
    omitted: Omittable[int] = None
    rank: Literal[1, 2] = 1
    notes: dict[str, Any] = Field(default={})
    words: list[str] = Field(default=[])


def dumped(model: BaseModel) -> dict[str, Any]:
    """What pydantic dumps of what was set, and of tags."""
    asked = model.model_fields_set | {"kind"}
    return model.model_dump(mode="json", by_alias=True, include=asked)


@pytest.mark.parametrize(
    ("fields", "is_plain"),
    [
        ({}, True),
        ({"direction": "right", "count": 3, "speed": 0.5, "is_fast": True}, True),
        ({"count": 10**30}, True),
        ({"speed": 2}, True),
        ({"speed": 2**53 + 1}, False),
        ({"either": 7}, True),
        ({"either": None}, True),
        ({"renamed": "x"}, True),
        ({"text": "\ud800"}, True),
        ({"omitted": 5}, False),
        ({"rank": 2}, False),
        ({"notes": {"a": [1]}}, False),
        ({"words": ["a"]}, False),
    ],
)
def test_what_is_sent_is_what_pydantic_dumps(fields: dict[str, Any], is_plain: bool) -> None:
    model = Move.model_construct(**{"text": "go", **fields})
    if fields.get("text") != "\ud800":  # pydantic doesn't take it; construction does
        model = Move(**{"text": "go", **fields})
    assert sent_fields(model) == dumped(model)
    assert (plain_fields(model) is not None) is is_plain


def test_what_was_changed_is_sent_and_what_was_not_set_is_left_out() -> None:
    model = Move(text="go")
    assert sent_fields(model) == {"kind": "move", "text": "go"}
    model.count = 0
    model.notes["seen"] = 1
    assert sent_fields(model) == {"kind": "move", "text": "go", "count": 0, "notes": {"seen": 1}}


@pytest.mark.parametrize(
    "wrong",
    [
        {"text": 1},
        {"text": b"x"},
        {"count": 1.5},
        {"speed": float("nan")},
        {"speed": float("inf")},
        {"speed": "1"},
        {"is_fast": 1},
        {"either": 1.5},
        # What pydantic dumps in spite of its type.
        {"direction": "up"},
        {"direction": 1},
        {"kind": "jump"},
        {"text": None},
        {"notes": {"ready": 1}, "text": None},
    ],
)
def test_what_was_not_validated_is_refused(wrong: dict[str, Any]) -> None:
    model = Move.model_construct(**{"kind": "move", "text": "go", **wrong})
    assert plain_fields(model) is None
    with pytest.raises(InvalidRequest) as caught:
        sent_fields(model)
    assert caught.value.path == f"$.{list(wrong)[-1]}"


@pytest.mark.parametrize("wrong", [5, {"a": object}])
def test_what_was_put_in_later_is_validated(wrong: Any) -> None:
    model = Move(text="go")
    model.words.append(wrong)
    with pytest.raises(InvalidRequest, match=r"^\$\.words\[0\]: .*string") as caught:
        sent_fields(model)
    assert caught.value.path == "$.words[0]"


def test_a_serializer_that_fails_is_no_error_outside_the_tree() -> None:
    class Failing(Plain):
        @field_serializer("text")
        def _fail(self, text: str) -> str:
            raise ValueError(text)

    with pytest.raises(InvalidRequest, match="can't be sent"):
        sent_fields(Failing(text="go"))


def test_a_field_that_is_missing_is_refused() -> None:
    with pytest.raises(InvalidRequest) as caught:
        sent_fields(Move.model_construct(kind="move"))
    assert caught.value.path == "$.text"


def test_a_truth_in_place_of_a_number_is_left_to_pydantic() -> None:
    assert plain_fields(Move.model_construct(kind="move", text="go", count=True)) is None


def test_a_value_that_a_dump_writes_otherwise_is_dumped() -> None:
    class Text(str):
        __slots__ = ()

    model = Move.model_construct(kind="move", text=Text("go"))
    assert plain_fields(model) is None
    assert type(sent_fields(model)["text"]) is str


def test_unknown_fields_are_not_plain() -> None:
    model = Move.model_validate({"kind": "move", "text": "go", "more": 1}, extra="allow")
    assert plain_fields(model) is None
    assert sent_fields(model) == {"kind": "move", "text": "go"}


class Plain(RequestModel):
    text: str = ""


class Shouted(Plain):
    @field_serializer("text")
    def _shout(self, text: str) -> str:
        return text.upper()


class Counted(Plain):
    @computed_field  # type: ignore[prop-decorator]  # mypy doesn't know it
    @property
    def size(self) -> int:
        return len(self.text)


class Hooked(RequestModel):
    text: Annotated[str, PlainSerializer(str.upper)] = ""


class Hidden(RequestModel):
    text: str = Field(default="", exclude=True)


class Otherwise(RequestModel):
    text: str = Field(default="", serialization_alias="other")


class Overridden(Plain):
    def model_dump(self, **options: Any) -> dict[str, Any]:
        return {"text": f"<{super().model_dump(**options)['text']}>"}


@pytest.mark.parametrize(
    "model", [Shouted, Counted, Hooked, Hidden, Otherwise, Overridden], ids=str
)
def test_a_model_with_ways_of_its_own_is_dumped_in_them(model: type[RequestModel]) -> None:
    sent = model(text="go")
    assert plain_fields(sent) is None
    assert sent_fields(sent) == sent.model_dump(mode="json", by_alias=True)

"""YAML documents: what they may say, and what they may not do."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from envgen.errors import ContractError
from envgen.sources.yaml_text import parse_yaml
from tests.support import little_work


def read(text: str) -> Any:
    return parse_yaml(text.encode(), source="x.yaml")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"])), inner, max_size=4
    ),
    max_leaves=20,
)  # fmt: skip


class Dumper(yaml.SafeDumper):
    """Writes YAML 1.1; quotes the strings that are numbers in 1.2 alone, such as ``0E0``."""

    def text(self, text: str) -> yaml.ScalarNode:
        style = '"' if NUMBER.fullmatch(text) else None
        return self.represent_scalar("tag:yaml.org,2002:str", text, style=style)


NUMBER = re.compile(r"[-+]?(\.\d+|\d+(\.\d*)?)([eE][-+]?\d+)?")
Dumper.add_representer(str, Dumper.text)


@given(JSON)
@example("0E0")
def test_what_a_yaml_library_writes_is_read(value: Any) -> None:
    assert read(yaml.dump(value, Dumper=Dumper, allow_unicode=True)) == value


@given(JSON)
def test_json_is_yaml(value: Any) -> None:
    assert read(json.dumps(value, ensure_ascii=False)) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: 2024-01-01", {"a": "2024-01-01"}),
        ("a: no\nb: on\nc: Yes", {"a": "no", "b": "on", "c": "Yes"}),
        ("200: ok\nnull: x", {"200": "ok", "null": "x"}),
        ("a: 1:30\nb: 0o17\nc: 0x1F\nd: 017", {"a": "1:30", "b": 15, "c": 31, "d": 17}),
        ("a: 1e3\nb: .5\nc: 1.\nd: 1_000", {"a": 1000.0, "b": 0.5, "c": 1.0, "d": "1_000"}),
        ("a: .nan\nb: .inf", {"a": ".nan", "b": ".inf"}),
        ("a: '1'\nb: !!str 1\nc: ~\nd:", {"a": "1", "b": "1", "c": None, "d": None}),
        ("a: &x {b: 1}\nc: *x", {"a": {"b": 1}, "c": {"b": 1}}),
        ("", None),
        ("text: |\n  two\n  lines\n", {"text": "two\nlines\n"}),
    ],
)
def test_scalars_are_those_of_json(text: str, value: Any) -> None:
    assert read(text) == value


def bomb(levels: int) -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    more = (f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, levels))
    return "\n".join([*lines, *more])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (bomb(9), "more than 200000 values"),
        ("a: &a [*a]", "line 1: an alias to its own container"),
        ("a: *b", "an alias to its own container, or to nothing"),
        ("a: &x {b: 1}\nc:\n  <<: *x", "line 3: a merge key"),
        ("a: !!python/object/apply:os.system [x]", "the tag tag:yaml.org,2002:python/object"),
        ("a: !!timestamp 2024-01-01", "the tag"),
        ("a: !x 1", "the tag !x"),
        ("a: 1\na: 2", "line 2: the key 'a' occurs twice"),
        ("[a, b]: 1", "a key that is not a string"),
        ("a: 1\n---\nb: 1", "more than one document"),
        ("[" * 300 + "]" * 300, "more than 200 levels"),
        ("[" * 200_000, "more than 200 levels"),
        ("- " * 100_000 + "a", "more than 200 levels"),
        ("a: {b: " + "[" * 2000, "more than 200 levels"),
        ("a: " + "9" * 6000, "a number that is too long"),
        ("a: [", "not YAML"),
        ("a: \x00", "not YAML"),
        ("\t- a:\n -", "not YAML"),
        ('a: "' + "[" * 2000, "not YAML"),
    ],
    ids=range(19),
)
def test_refused_soon(text: str, says: str) -> None:
    with little_work(), pytest.raises(ContractError, match=r"^x\.yaml: not ") as caught:
        read(text)
    assert says in str(caught.value)

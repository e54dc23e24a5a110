"""Whatever a contract says, it comes out as one identifier, literal, docstring or comment."""

from __future__ import annotations

import ast
import keyword

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envgen.text import (
    Placeholders,
    UntrustedText,
    comment,
    docstring,
    for_annotation,
    for_annotation_property,
    identifier,
    literal,
)

HOSTILE = [
    "",
    '"',
    '"""',
    '""""""; import os; """',
    'ends with a quote"',
    "ends with a backslash\\",
    '\\"""',
    "null \0 byte",
    "line\rbreaks\n\u2028\u2029\x85\x0b\x0c",
    "{braces} %s {{jinja}} {% x %}",
    "\N{RIGHT-TO-LEFT OVERRIDE}txet",
    "\ud800 lone surrogate",
]
texts = st.text() | st.sampled_from(HOSTILE)


@pytest.mark.slow
@given(texts)
def test_a_literal_evaluates_to_the_text(raw: str) -> None:
    assert ast.literal_eval(literal(UntrustedText(raw))) == raw


@given(texts)
def test_a_docstring_is_one_string_and_nothing_else(raw: str) -> None:
    source = f"class A:\n    {docstring(UntrustedText(raw), indent='    ')}\n    x = 1\n"
    body = ast.parse(source).body
    assert len(body) == 1
    assert isinstance(body[0], ast.ClassDef)
    assert [type(node) for node in body[0].body] == [ast.Expr, ast.Assign]


@given(texts)
def test_a_comment_stays_on_its_line(raw: str) -> None:
    assert len(ast.parse(f"x = 1  # {comment(UntrustedText(raw))}\n").body) == 1
    assert len(comment(UntrustedText(raw)).splitlines()) <= 1


@given(texts)
def test_an_identifier_is_one(raw: str) -> None:
    name = identifier(UntrustedText(raw), fallback="field")
    assert name.isidentifier()
    assert not keyword.iskeyword(name)
    assert not name.startswith("_")


def test_a_docstring_keeps_its_lines_and_loses_its_margin() -> None:
    text = UntrustedText("Says:\n\n        one\n          two\n    ")
    assert docstring(text, indent="  ") == '"""Says:\n\n  one\n    two\n  """'


@pytest.mark.parametrize("leak", [str, format, lambda text: f"{text}", "%s".__mod__])
def test_untrusted_text_refuses_to_be_printed(leak: object) -> None:
    with pytest.raises(TypeError, match="untrusted text"):
        leak(UntrustedText("x"))  # type: ignore[operator]


def test_placeholders_give_back_what_they_were_given() -> None:
    placeholders = Placeholders()
    text = placeholders.literal(UntrustedText('a "quoted" text'))
    kind = placeholders.type("Annotated[int, Field(ge=0)]")
    note = placeholders.docstring(UntrustedText("What it is."))
    source = f'class A:\n    """{note}"""\n    x: {kind} = "{text}"\n'
    assert placeholders.restore(source) == (
        'class A:\n    """What it is."""\n'
        "    x: Annotated[int, Field(ge=0)] = 'a \"quoted\" text'\n"
    )


def test_a_forged_placeholder_is_not_restored() -> None:
    with pytest.raises(KeyError):
        Placeholders().restore('x = "envgen_l7_"')


def test_what_github_would_decode_in_an_annotation_is_encoded() -> None:
    assert for_annotation("50%, a:b%0A::error::c") == "50%25, a:b%250A::error::c"
    assert for_annotation_property("50%, a:b") == "50%25%2C a%3Ab"


def test_no_quote_touches_those_that_begin_a_docstring() -> None:
    """Formatters would write a blank between them, and then the file looks edited."""
    assert docstring(UntrustedText('"quoted" text'), indent="") == '""" "quoted" text"""'

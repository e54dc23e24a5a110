"""What commands print: nothing in a contract, a lock or an answer takes effect where it is read."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token
from typer.testing import Result

from envgen.text import as_code, for_markdown, for_terminal
from tests.support import contract, run, save

HOSTILE = [
    "x\n::error::INJ", "::error::INJ", " \t::add-mask::INJ", "\r::stop-commands::INJ",
    "##[error]INJ", "a ##[add-mask]INJ", "\u2028::error::INJ", "\u2029::error::INJ",
    "\x85::error::INJ", "\x0b::error::INJ", "\x0c::error::INJ", "\ufeff::error::INJ",
    "\u200b::error::INJ", "\xa0::error::INJ", "\u3000::error::INJ", "\x1b[31mINJ",
    "\x1b]0;INJ\x07", "\x1b]8;;http://x\x1b\\INJ", "\x9b31mINJ", "\x00INJ", "\x08\x7f",
    "\u202eINJ\u2066", "\u061c\u200f", "[bold]INJ[/]", "[/]", "[link=http://x]INJ", "INJ\\",
    "\\[INJ", "# INJ", "\n\n# INJ", "- INJ", "> INJ", "1. INJ", "---", "===", "***", "    INJ",
    "```\nINJ", "~~~", "`INJ", "``INJ``", "` `` ``` INJ", "`", "``", "a`b``c```d", "**INJ**",
    "_INJ_", "~~INJ~~", "[INJ](http://x)", "![INJ](http://x)", "[INJ]: http://x", "[INJ][x]",
    "<http://x>", "<b>INJ</b>", "<script>INJ</script>", "<!-- INJ", "&lt;INJ&#64;",
    "http://INJ.x", "www.INJ.com", "me@INJ.com", "@INJ", "#1", "GH-1", ":tada:",
    "| INJ | x |\n| --- | --- |", "INJ\\\n", "$INJ$", "%0A::error::INJ", "{{INJ}}", "${{ INJ }}",
    "", " ", "\n", "x" * 250, "\x1b" * 250, "\ud83d\ude00", "é",
]  # fmt: skip
COMMAND = re.compile(r"\s*::|.*##\[")


def hostile_contract(texts: list[str], kind: str = "integer") -> dict[str, Any]:
    """A contract with hostile texts wherever a name or a value stands."""
    fields = {text: {"type": kind, "description": text, "default": text} for text in texts}
    action = {
        "title": "DoAction",
        "type": "object",
        "description": texts[0],
        "properties": {
            **fields,
            "choice": {"enum": [*texts, kind]},
            "pattern": {"type": "string", "pattern": re.escape(texts[0][:50]), "format": texts[0]},
            "made_up": {"$ref": f"#/$defs/{kind}"},
        },
        "$defs": {kind: {"type": "object", "title": texts[0], "x-own": texts[0]}},
        **dict.fromkeys(texts, texts[0]),
    }
    return {**contract(action=action), **fields, "tools": [{"name": texts[0], "inputSchema": {}}]}


def assert_harmless(
    done: Result, *, is_annotation: bool = False, is_document: bool = False
) -> None:
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    for output in (done.stdout, done.stderr):
        for line in re.split(r"\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]", output):
            assert line.isprintable()
            assert is_document or len(line) < 10_000, "a document for machines is whole"
            is_ours = is_annotation and re.match(r"::(error|warning|notice) file=[^:]*::", line)
            assert is_ours or not COMMAND.match(line), line


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


LONG = ["x" * 100_000, "\x1b" * 100_000, "`" * 100_000]  # refused as names, and printed of servers
TEXTS = pytest.mark.parametrize("text", [*HOSTILE, *LONG], ids=lambda text: ascii(text[:20]))


@pytest.mark.parametrize("report", ["text", "markdown", "github", "json"])
def test_every_format_of_diff_is_harmless(report: str) -> None:
    save(hostile_contract(HOSTILE), "a.json")
    save({**hostile_contract(HOSTILE, "string"), "name": "other"}, "b.json")
    for old, new in (("a.json", "b.json"), ("a.json", save(contract())), ("x.json", "a.json")):
        done = run("diff", old, new, "--format", report)
        assert done.exit_code == 5, "what breaks is said"
        assert done.stdout.count("INJ") > len(HOSTILE) or old == "x.json"
        assert_harmless(done, is_annotation=report == "github", is_document=report == "json")
        if report == "markdown":
            assert_plain_markdown(done.stdout)
        if report == "json":
            json.loads(done.stdout)


def tokens(text: str) -> list[Token]:
    parser = MarkdownIt("gfm-like", {"html": True, "linkify": False})
    return [part for token in parser.parse(text) for part in (token, *(token.children or ()))]


OURS = {
    "heading_open", "heading_close", "inline", "text", "code_inline", "paragraph_open",
    "paragraph_close", "strong_open", "strong_close", "bullet_list_open", "bullet_list_close",
    "list_item_open", "list_item_close",
}  # fmt: skip


def assert_plain_markdown(text: str) -> None:
    """No block and no link is there that we didn't make, and hostile words stand in code alone."""
    found = tokens(text)
    assert {token.type for token in found} <= OURS
    assert [token.tag for token in found if token.type == "heading_open"] == ["h3"]
    items = sum(token.type == "list_item_open" for token in found)
    assert items == sum(line.startswith("- ") for line in text.splitlines())
    strong = sum(token.type == "strong_open" for token in found)
    assert strong == sum(line.startswith("**") for line in text.splitlines())
    for token in found:
        if token.type == "text":
            assert not re.search(r"[@#<>&|*`~\\$]|://|www\.|INJ\S", token.content), token.content


@TEXTS
def test_markdown_says_a_text_and_nothing_else(text: str) -> None:
    for say in (for_markdown, as_code):
        said = say(text)
        assert "\n" not in said
        paragraph = tokens(f"- `/x` {said} [rule]\n")
        assert {token.type for token in paragraph} <= OURS
        assert sum(token.type == "code_inline" for token in paragraph) in (1, 2)
        assert len(said) < 10_000


@TEXTS
def test_a_terminal_shows_one_line(text: str) -> None:
    shown = for_terminal(text)
    assert shown.isprintable()
    assert not COMMAND.match(shown)
    assert len(shown) < 10_000
    lines = for_terminal(f"a\n{text}\nb", keep="\n")
    assert not any(COMMAND.match(line) for line in lines.split("\n"))


@pytest.mark.parametrize(
    "text", ["exit_code isn't there any more", "x is new (y is new: was it renamed?)", "3 items"]
)
def test_what_we_say_ourselves_stays_prose(text: str) -> None:
    assert for_markdown(text) == text


@pytest.mark.slow
@pytest.mark.parametrize("texts", [HOSTILE[at::5] for at in range(5)], ids=range(5))
def test_builds_and_their_errors_are_harmless(texts: list[str]) -> None:
    save(hostile_contract(texts), "schemas/do_env.json")
    for command in (["build", "--diff"], ["build", "--format", "json"], ["build", "--strict"]):
        assert_harmless(run(*command), is_document="json" in command)
    save(hostile_contract(texts, "string"), "schemas/do_env.json")
    save({**contract(), "action": {"$ref": f"#/{texts[0]}"}}, "schemas/b_env.json")
    for command in (["build", "--check"], ["sync", "--check"], ["sync", "--format", "json"]):
        assert_harmless(run(*command), is_document="json" in command)


@pytest.mark.slow
def test_what_the_lock_the_settings_and_the_source_say_is_harmless() -> None:
    save(contract(), "schemas/do_env.json")
    assert run("build").exit_code == 0
    lock = Path("generated/envgen.lock")
    honest = json.loads(lock.read_text())
    for text in HOSTILE[::3]:
        locked = json.loads(json.dumps(honest))
        locked["packages"]["do_env"]["source"] = f"http://{text}"
        locked["packages"]["gone_env"] = locked["packages"]["do_env"]
        locked["packages"][text] = locked["packages"]["do_env"]
        lock.write_text(json.dumps(locked))
        assert_harmless(run("build"))
        del locked["packages"][text]
        lock.write_text(json.dumps(locked))
        assert_harmless(run("build"))
        assert_harmless(run("build", "gone_env"))
        assert_harmless(run("init"))
        Path("pyproject.toml").unlink(missing_ok=True)
        settings = f"[tool.envgen]\n{json.dumps(text.replace(chr(0x7F), ''))} = 1\n"
        Path("pyproject.toml").write_text(settings, encoding="utf-8", errors="replace")
        assert_harmless(run("build"))
        Path("pyproject.toml").unlink()
        lock.write_text(json.dumps(honest))
        if text.strip() and not text.startswith("-") and "[" not in text:
            assert_harmless(run("build", text))


@pytest.mark.parametrize("text", ["Maze\nINJ", "\n::error::INJ", "\t\n INJ"])
def test_a_name_in_an_error_has_one_line(text: str) -> None:
    save({**contract(), "action": {"$ref": f"#/{text}"}}, "a.json")
    done = run("build", "a.json")
    assert done.exit_code == 1
    assert "INJ" in done.stderr
    assert all(re.match(r" +(error|hint) ", line) for line in done.stderr.splitlines()), done.stderr

"""``envgen diff``, as it is run."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from envgen.cli import app
from envgen.compat import RULES
from envgen.demo.environment import CodingEnvironment
from envgen.demo.server import create_app, serving
from tests.support import ROOT, action


@pytest.fixture
def server() -> Iterator[str]:
    document = json.loads((ROOT / "schemas" / "coding_env.json").read_text())
    with serving(create_app(document, CodingEnvironment)) as url:
        yield url


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    save("old.json", action({"x": {"type": "integer"}, "gone": {"type": "string"}}))
    save("new.json", action({"x": {"type": "integer"}, "more": {"type": "boolean"}}))


def save(name: str, document: dict[str, Any]) -> None:
    Path(name).write_text(json.dumps(document))


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["diff", *arguments])


def test_a_breaking_change() -> None:
    done = run("old.json", "new.json")
    assert done.exit_code == 5
    assert "do_env: major change" in done.stdout
    assert "breaking /action/properties/gone: gone isn't there any more" in done.stdout


@pytest.mark.parametrize(
    ("fail_on", "code"), [("breaking", 0), ("warning", 0), ("info", 4), ("never", 0)]
)
def test_what_counts_as_a_failure(fail_on: str, code: int) -> None:
    save("old.json", action({"x": {"type": "integer"}}))
    assert run("old.json", "new.json", "--fail-on", fail_on).exit_code == code


def test_what_breaks_is_told_from_what_does_not() -> None:
    assert run("old.json", "new.json", "--fail-on", "info").exit_code == 5
    assert run("old.json", "new.json", "--fail-on", "never").exit_code == 0


@pytest.mark.parametrize("report", ["text", "json", "github", "markdown"])
@pytest.mark.parametrize(
    ("source", "code", "kind"),
    [("missing.json", 1, "ContractError"), ("http://127.0.0.1:9", 3, "Unreachable")],
)
def test_a_fault_is_told_from_what_breaks(source: str, code: int, kind: str, report: str) -> None:
    done = run("old.json", source, "--format", report)
    assert done.exit_code == code
    assert source in done.stderr
    if report == "json":
        document = json.loads(done.stdout)
        assert (document["exit_code"], document["error"]["kind"]) == (code, kind)
        assert source in document["error"]["place"]
    else:
        assert done.stdout == ""


def test_help_and_the_page_name_the_exit_codes() -> None:
    done = run("--help").stdout
    page = (ROOT / "docs" / "diff.md").read_text()
    assert re.findall(r"^\| (\d) \|", page, re.MULTILINE) == ["0", "4", "5", "1", "2", "3"]
    assert re.findall(r"(\d) [a-z]", " ".join(done.partition("Exit codes:")[2].split())) == [
        "0", "4", "5", "1", "2", "3",
    ]  # fmt: skip


def test_no_change() -> None:
    done = run("old.json", "old.json")
    assert (done.exit_code, done.stdout) == (0, "do_env: no change\n")


def test_json() -> None:
    shown = json.loads(run("old.json", "new.json", "--format", "json").stdout)
    assert (shown["name"], shown["level"], shown["bump"]) == ("do_env", "breaking", "major")
    assert {change["rule"] for change in shown["changes"]} == {"field-removed", "field-added"}


def test_annotations_and_markdown_hold_any_text() -> None:
    save("new.json", action({"%0A::x,`|*": {"type": "integer"}}))
    shown = run("old.json", "new.json", "--format", "github").stdout
    assert all(line.startswith(("::error file=", "::notice file=")) for line in shown.splitlines())
    assert "%250A::x,`|*" in shown
    markdown = run("old.json", "new.json", "--format", "markdown").stdout
    assert markdown.startswith("### `do_env`: major change\n")
    assert "`` %0A::x,`|* is new ``" in markdown


def test_commits_packages_and_servers(server: str) -> None:
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@example.org"]
    for command in (["init", "-q"], ["add", "old.json"], ["commit", "-qm", "One"]):
        subprocess.run([*git, *command], check=True)
    assert run("git:HEAD:old.json", "old.json").exit_code == 0
    CliRunner().invoke(app, ["build", "new.json"])
    assert run("generated/do_env", "new.json").exit_code == 0
    assert run("generated.do_env", "new.json").exit_code == 0
    assert "coding_env: major change" in run("new.json", server).stdout
    schema = str(ROOT / "schemas" / "coding_env.json")
    assert run(schema, server, "--fail-on", "info").stdout.startswith("coding_env: ")


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("git:HEAD", "write git:REVISION:PATH"),
        ("git:nowhere:old.json", "git has no such file"),
        ("git:--output=x:old.json", "not a file in git"),
        ("missing.json", "can't be read"),
        ("no.such.package", "can't be read"),
    ],
)
def test_what_is_not_there(source: str, says: str) -> None:
    done = run(source, "new.json")
    assert done.exit_code == 1
    assert says in done.stderr
    assert "Traceback" not in done.output


def test_the_page_lists_the_rules_that_are() -> None:
    page = (ROOT / "docs" / "diff.md").read_text()
    rows = re.findall(r"^\| `([\w-]+)` \| (\w+) \| (\w+) \|", page, re.MULTILINE)
    assert rows == [(name, rule.request, rule.reply) for name, rule in RULES.items()]


def test_the_name_of_a_file_is_no_name_of_an_environment() -> None:
    listed = {"tools": [{"name": "add", "inputSchema": {"type": "object"}}]}
    save("c.json", listed)
    save("c2.json", listed)
    done = run("c.json", "c2.json", "--fail-on", "info")
    assert (done.exit_code, done.stdout) == (0, "c2: no change\n")
    save("c.json", {**listed, "name": "one"})
    assert run("c.json", "c2.json", "--fail-on", "info").exit_code == 0
    save("c2.json", {**listed, "name": "other"})
    assert "name-changed" in run("c.json", "c2.json").stdout

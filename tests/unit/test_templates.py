"""A project's own templates: blocks over envgen's, held by the same audit."""

from __future__ import annotations

import re
import subprocess
import sys
import tracemalloc
from dataclasses import fields
from pathlib import Path

import pytest
from jinja2.exceptions import SecurityError

from envgen.naming import LIBRARY
from envgen.plan.plan import PlannedPart
from envgen.render.context import (
    ActionField,
    ClientClass,
    ClientContext,
    FunctionContext,
    FunctionParameter,
    GymnasiumContext,
    InitContext,
    ModelsContext,
    ReplyContext,
    ResetParameter,
    ToolContext,
    ToolsClientClass,
    ToolsClientContext,
    ToolsContext,
    ToolsetClass,
    TRLContext,
    WireContext,
)
from envgen.render.template_limits import LimitedEnvironment, Work
from envgen.render.templating import templates_folder
from tests.support import ROOT, action, calls_up_to, contract, load, run, save

EXTENDS = '{% extends "envgen/2/client.py.jinja" %}\n'
PACKAGE = Path("generated/do_env")


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    save(contract(), "schemas/do_env.json")


def template(text: str, name: str = "client.py.jinja") -> None:
    save(text, f"mine/{name}")


def test_a_block_is_replaced_and_the_rest_stays() -> None:
    run("build")
    before = (PACKAGE / "client.py").read_text()
    template(EXTENDS + '{% block header %}\n"""{{ client }}, Copyright Us."""\n{% endblock %}\n')
    assert run("build", "--templates", "mine").stdout.startswith("    wrote")
    after = (PACKAGE / "client.py").read_text()
    assert after.startswith('"""DoEnv, Copyright Us."""\n')
    assert after.partition('"""\n\nfrom')[2] == before.partition('"""\n\nfrom')[2]


def test_a_method_of_ones_own() -> None:
    template(
        EXTENDS
        + "{% block methods %}\n\n"
        + "    {{ this.async_ }}def say(self, text: str) -> StepResult[{{ observation.name }}]:\n"
        + '        """Say it."""\n'
        + "        return {{ this.await_ }}self.step(text=text)\n"
        + "{% endblock %}\n"
    )
    assert run("build", "--templates", "mine").exit_code == 0
    module = load(PACKAGE)
    assert callable(module.DoEnv.say)
    assert callable(module.AsyncDoEnv.say)


def test_what_extends_may_be_shared_between_templates() -> None:
    template("Ours, all of it.", "_licence.jinja")
    for name in ("client.py", "models.py", "__init__.py"):
        template(
            f'{{% extends "envgen/2/{name}.jinja" %}}\n{{% block header %}}\n'
            '"""{% include "_licence.jinja" %}"""\n{% endblock %}\n',
            f"{name}.jinja",
        )
    assert run("build", "--templates", "mine").exit_code == 0
    for name in ("client.py", "models.py", "__init__.py"):
        assert (PACKAGE / name).read_text().startswith('"""Ours, all of it."""\n')
    template("Ours, every bit.", "_licence.jinja")
    assert run("build", "--templates", "mine").stdout.startswith("    wrote"), "known to the lock"


def test_templates_are_part_of_what_is_locked() -> None:
    Path("pyproject.toml").write_text('[tool.envgen]\ntemplates = "mine"\n')
    template(EXTENDS + '{% block header %}\n"""One."""\n{% endblock %}\n')
    assert run("build").exit_code == 0
    assert run("build").stdout.startswith("unchanged")
    template(EXTENDS + '{% block header %}\n"""Two."""\n{% endblock %}\n')
    checked = run("build", "--check")
    assert checked.exit_code == 1
    assert '-"""One."""' in checked.stdout
    assert run("build").stdout.startswith("    wrote")
    assert run("build", "--check").exit_code == 0


def test_another_packages_templates_are_its_own() -> None:
    """Building one of two with new templates doesn't make the other pass for new."""
    save(contract(name="other_env"), "schemas/other_env.json")
    run("build")
    template(EXTENDS + '{% block header %}\n"""Mine."""\n{% endblock %}\n')
    run("build", "schemas/do_env.json", "--templates", "mine")
    run("build", "--templates", "mine")
    assert Path("generated/other_env/client.py").read_text().startswith('"""Mine."""')


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        (EXTENDS + "{% block header %}\n{{ nonsense }}\n{% endblock %}", 3, "nonsense is undef"),
        (
            EXTENDS + "{% block header %}{% if false %}{{ nonsense }}{% endif %}{% endblock %}",
            2,
            "nonsense is undefined",
        ),
        (EXTENDS + "{% block header %}\n\n{{ action.tittle }}\n{% endblock %}", 4, "'tittle'"),
        (EXTENDS + "{% block haeder %}{% endblock %}", 2, "there is no block haeder"),
        (EXTENDS + "{% block header %}", 2, "Unexpected end of template"),
        (EXTENDS + "{% block header %}{{ 1 // 0 }}{% endblock %}", 2, "division"),
        ("{% block header %}{% endblock %}", 1, "it doesn't extend envgen's"),
        ('{% extends "envgen/1/client.py.jinja" %}', 1, "it is written for context 1"),
        ('{% extends "envgen/2/models.py.jinja" %}', 1, "it extends models.py.jinja"),
        (EXTENDS + '{% block header %}{% include "../x" %}{% endblock %}', 2, "../x"),
        (
            EXTENDS + "{% block header %}{{ action.__class__.__mro__ }}{% endblock %}",
            2,
            "unsafe",
        ),
        (
            EXTENDS
            + "{% block methods %}{% for p in reset_parameters %}{{ p.description }}"
            + "{% endfor %}{% endblock %}",
            2,
            "untrusted text",
        ),
        (
            EXTENDS
            + "{% block methods %}{% for p in reset_parameters %}{{ p.description.raw }}"
            + "{% endfor %}{% endblock %}",
            2,
            "unsafe",
        ),
    ],
)
def test_a_template_that_cannot_be_used(text: str, place: int, message: str) -> None:
    parameters = {"level": {"type": "integer", "description": "How hard."}}
    reset = {"type": "object", "properties": parameters}
    save(contract(reset_parameters=reset), "schemas/do_env.json")
    template(text)
    refused = run("build", "--templates", "mine")
    assert refused.exit_code == 1
    assert f"mine/client.py.jinja:{place}: " in refused.stderr
    assert message in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not PACKAGE.exists()


HEAVY = [
    '{{ ("a" * 1000000000) | length }}',
    "{{ lipsum(n=100000) }}",
    "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
    "{% for i in range(99999) %}{{ range(99999) | list | length }}{% endfor %}",
    '{% set n = namespace(x="a") %}{% for i in range(60) %}{% set n.x = n.x ~ n.x %}{% endfor %}',
    '{% set n = namespace(x="a") %}{% for i in range(60) %}{% set n.x = n.x + n.x %}{% endfor %}',
    '{{ "x" | center(1000000000) }}',
    '{{ "x".ljust(1000000000) }}',
    '{{ "{:1000000000}".format(1) }}',
    '{{ "%1000000000d" % 1 }}',
    '{{ "%*d" % (1000000000, 1) }}',
    "{{ 9 ** 9999 }}",
    '{{ ("a" * 900000) | replace("a", "b" * 900000) | length }}',
    "{{ ([[1] * 90000] * 90000) | sum(start=[]) | length }}",
    "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(40) }}",
    "{% for i in [1] recursive %}{% if loop.depth < 9 %}{{ loop([1] * 9) }}{% endif %}{% endfor %}",
    '{% set y %}{% for i in range(90000) %}{{ "x" * 900000 }}{% endfor %}{% endset %}',
    "{% set y %}{% for i in range(90000) %}" + "text" * 999 + "{% endfor %}{% endset %}",
]


@pytest.mark.slow
@pytest.mark.parametrize("heavy", HEAVY, ids=range(len(HEAVY)))
def test_a_template_that_would_not_end(heavy: str) -> None:
    template(f"{EXTENDS}{{% block header %}}\n{heavy}{{% endblock %}}")
    with calls_up_to(10_000_000):
        refused = run("build", "--templates", "mine")
    assert refused.exit_code == 1
    assert "mine/client.py.jinja:3: " in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not PACKAGE.exists()


AMPLIFYING = [
    '("{:{}}" * 2000).format(*["x", 99999] * 2000)',
    '("%.*f" * 500) % ((99999, 1.0) * 500)',
    '("%(a)9999d" * 50000) % {"a": 1}',
    '("{0:9999}" * 50000).format("x")',
    '("{0:9999}" * 50000) | attr("format")("x")',
    '("%9999s" * 9000) | format(*["a"] * 9000)',
    '("%(a)s" * 10000) % {"a": "x" * 90000}',
    '("{a}" * 10000).format_map({"a": "x" * 90000})',
    '(["a"] * 9000) | tojson(indent=9999)',
    '("a" * 9000) | wordwrap(1, wrapstring="x" * 90000)',
]


@pytest.mark.parametrize("amplifying", AMPLIFYING)
def test_little_is_made_before_it_is_counted(amplifying: str) -> None:
    environment = LimitedEnvironment()
    environment.work = Work()
    text = environment.from_string(f"{{{{ ({amplifying}) | length }}}}")
    tracemalloc.start()
    try:
        with pytest.raises(SecurityError):
            text.render()
        assert tracemalloc.get_traced_memory()[1] < 50_000_000
    finally:
        tracemalloc.stop()


def test_a_template_may_loop_and_format() -> None:
    template(
        EXTENDS + '{% block header %}\n"""{% for name in ["a", "b"] %}{{ loop.index }}/'
        '{{ loop.length }}{{ "" if loop.last else ", " }}{% endfor %}; {{ "%05d" | format(3) }} '
        '{{ "-" * 20 }} {{ "{:>8}".format("x") }} {{ client ~ 1 }}"""\n{% endblock %}\n'
    )
    assert run("build", "--templates", "mine").exit_code == 0
    header = (PACKAGE / "client.py").read_text().partition("\n")[0]
    assert header == f'"""1/2, 2/2; 00003 {"-" * 20}        x DoEnv1"""'


@pytest.mark.slow
@pytest.mark.parametrize(
    "body",
    [
        "import os",
        "    def go(self) -> None:\n        open('x')",
        "    def go(self) -> None:\n        self._session.end()",
        "    def go(self) -> None:\n        for _ in ():\n            pass",
        "    def __reduce__(self) -> None:\n        return None",
        "    x = [].__class__",
        "    def go(self, (",
    ],
)
def test_the_audit_holds_for_ones_own(body: str) -> None:
    template(f"{EXTENDS}{{% block methods %}}\n{body}\n{{% endblock %}}")
    refused = run("build", "--templates", "mine")
    assert refused.exit_code == 1
    assert "client.py" in refused.stderr
    assert "a block in mine may have written it" in refused.stderr
    assert not PACKAGE.exists()


def test_a_contract_cannot_give_its_clients_methods() -> None:
    """The audit takes more names of methods from a project, not from a contract."""
    hostile = "x: int = 1\n\n    def go(self): ..."
    save(action({hostile: {"type": "string", "description": hostile}}), "schemas/do_env.json")
    template(EXTENDS)
    assert run("build", "--templates", "mine").exit_code == 0
    assert not hasattr(load(PACKAGE).DoAction, "go")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ([], "there are no templates here"),
        (["clients.py.jinja"], "clients.py.jinja replaces nothing"),
    ],
)
def test_a_folder_that_cannot_be_used(files: list[str], message: str) -> None:
    for name in files:
        template("", name)
    refused = run("build", "--templates", "mine")
    assert refused.exit_code == 1
    assert message in refused.stderr
    assert "templates are __init__.py.jinja, client.py.jinja, gymnasium.py.jinja" in refused.stderr


# --- the page -------------------------------------------------------------------------------------

PAGE = (ROOT / "docs" / "templates.md").read_text()


def rows(heading: str) -> list[str]:
    section = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return [
        name
        for line in section.splitlines()
        if line.startswith("| `")
        for name in re.findall(r"`([^`]+)`", line.split("|")[1])
    ]


@pytest.mark.parametrize(
    ("heading", "kind"),
    [
        ("`client.py.jinja`", ClientContext),
        ("`models.py.jinja`", ModelsContext),
        ("`tools.py.jinja`", ToolsContext),
        ("`tools_client.py.jinja`", ToolsClientContext),
        ("`trl.py.jinja`", TRLContext),
        ("`gymnasium.py.jinja`", GymnasiumContext),
        ("`__init__.py.jinja`", InitContext),
        ("PlannedPart", PlannedPart),
        ("WireContext", WireContext),
        ("ReplyContext", ReplyContext),
        ("ClientClass", ClientClass),
        ("ToolContext", ToolContext),
        ("ToolsetClass", ToolsetClass),
        ("ToolsClientClass", ToolsClientClass),
        ("FunctionContext", FunctionContext),
        ("FunctionParameter", FunctionParameter),
        ("ActionField", ActionField),
        ("ResetParameter", ResetParameter),
    ],
)
def test_the_page_names_the_whole_context(heading: str, kind: type) -> None:
    assert rows(heading) == [field.name for field in fields(kind)]  # type: ignore[arg-type]


def test_the_page_names_every_block_and_every_import() -> None:
    for path in templates_folder().glob("*.jinja"):
        section = PAGE.partition(f"## `{path.name}`\n")[2].partition("\n## ")[0]
        told = re.search(r"Blocks: ([^.]*)\.", section)
        assert told is not None, path.name
        blocks = re.findall(r"block (\w+)", path.read_text())
        assert sorted(re.findall(r"`(\w+)`", told[1])) == sorted(blocks)
    library = PAGE.partition("## What may be used\n")[2].partition("\n## ")[0]
    assert set(LIBRARY) <= set(re.findall(r"`(\w+)`", library))


def test_the_pages_example_builds() -> None:
    for name, text in re.findall(r"```jinja\n\{#- (\S+) -#\}\n(.*?)```", PAGE, re.DOTALL):
        template(text, name)
    assert run("build", "--templates", "mine").exit_code == 0
    checked = subprocess.run(
        [sys.executable, "-c", "from generated.do_env import DoEnv; print(DoEnv.say)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "function DoEnv.say" in checked.stdout

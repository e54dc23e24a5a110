"""Generated code as its readers and their tools see it: formatters, linters, help and examples."""

from __future__ import annotations

import inspect
import json
import pydoc
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

import pytest

from envgen.build import build_package
from envgen.demo.environment import CodingEnvironment
from envgen.demo.server import create_app, serving
from envgen.sources import read_contract
from envgen_runtime.errors import InvalidRequest
from generated.coding_env import AsyncCodingEnv, CodeAction, CodingEnv
from tests.support import ROOT, action, build, contract_cases, contracts, load
from tests.test_generated import GOLDEN

COMMITTED = [*(ROOT / "generated").glob("*_env"), *(case.parent / "expected" for case in GOLDEN)]
FORMATTERS = {
    "ruff": ["ruff", "format", "--isolated", "--diff", "--line-length"],
    "black": ["black", "--quiet", "--diff", "--check", "--workers=1", "--line-length"],
}
# RUF001 to RUF003 are about characters in a contract's own words.
LINT = ["ruff", "check", "--isolated", "--select=E4,E7,E9,F,RUF", "--ignore=RUF001,RUF002,RUF003"]


def changes(command: list[str], *folders: Path) -> str:
    """What a tool would change, or finds wrong."""
    done = subprocess.run(
        [sys.executable, "-m", *command, *map(str, folders)],
        capture_output=True,
        text=True,
        check=False,
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr


def long_contract(length: int) -> dict[str, Any]:
    """A contract whose statements are of all lengths, so that some end at each column."""
    long = "x" * length
    union = {"anyOf": [{"enum": [long, "b"]}, {"type": "integer", "minimum": 1}, {"type": "null"}]}
    properties = {
        f"a{long}": {"type": "array", "items": {"type": "string"}, "default": []},
        f"b{long}": {**union, "default": None},
        f"c{long}": {"type": "object", "additionalProperties": union},
        f"d{long}": {"type": "string", "default": f'{long} "quoted"', "description": '"Quoted."'},
        f"e{long}": {"$ref": "#/$defs/Inner"},
        f"f{long}": {"type": "array", "items": union, "minItems": 1, "uniqueItems": True},
    }
    inner = {"type": "object", "properties": {"x": {"type": "integer"}}}
    return action(
        properties,
        title=f"Do{long.title()}Action",
        required=[f"c{long}", f"e{long}"],
        **{"$defs": {"Inner": inner}},
    )


@pytest.mark.slow
@pytest.mark.parametrize("columns", ["88", "100"])
@pytest.mark.parametrize("formatter", FORMATTERS)
def test_formatters_leave_what_is_committed_alone(formatter: str, columns: str) -> None:
    assert changes([*FORMATTERS[formatter], columns], *COMMITTED) == ""


def test_linters_find_nothing() -> None:
    assert changes(LINT, *COMMITTED) == ""


@pytest.mark.slow
def test_the_code_for_real_environments_is_left_alone(tmp_path: Path) -> None:
    for file in contracts("corpus"):
        build_package(read_contract(str(file)), tmp_path)
    for formatter in FORMATTERS.values():
        for columns in ("88", "100"):
            assert changes([*formatter, columns], tmp_path) == ""
    assert changes(LINT, tmp_path) == ""


@pytest.mark.slow
def test_statements_of_every_length_are_left_alone(tmp_path: Path) -> None:
    for length in range(70):
        document = {**long_contract(length), "name": f"long_{length}_env"}
        (tmp_path / "x.json").write_text(json.dumps(document))
        build_package(read_contract(str(tmp_path / "x.json")), tmp_path / "out")
    for formatter in FORMATTERS.values():
        for columns in ("88", "100"):
            assert changes([*formatter, columns], tmp_path / "out") == ""
    assert changes(LINT, tmp_path / "out") == ""


def test_only_what_this_environment_adds_is_generated() -> None:
    client = (ROOT / "generated" / "coding_env" / "client.py").read_text()
    assert re.findall(r"def (\w+)", client).count("step") == 6
    assert not re.findall(r"def (reset|state)\b", client)
    assert len(client.splitlines()) < 100


# --- help -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("client", [CodingEnv, AsyncCodingEnv])
def test_the_signature_shows_the_fields(client: type) -> None:
    parameters = inspect.signature(client.step).parameters  # type: ignore[attr-defined]
    assert list(parameters) == ["self", "action", "code", "metadata", "request_id", "timeout_s"]
    assert parameters["code"].annotation is str
    assert parameters["code"].default is inspect.Parameter.empty
    assert parameters["metadata"].default == {}
    assert parameters["action"].kind is inspect.Parameter.POSITIONAL_OR_KEYWORD


def test_help_shows_the_fields_and_their_descriptions() -> None:
    shown = pydoc.render_doc(CodingEnv.step, renderer=pydoc.plaintext)
    assert "code: str" in shown
    assert "code: The program." in shown
    assert "metadata: Free notes on the action; environments ignore them." in shown


def test_a_coroutine_function_stays_one() -> None:
    assert inspect.iscoroutinefunction(AsyncCodingEnv.step)


def test_a_mock_takes_an_action_as_well_as_its_fields() -> None:
    env = mock.create_autospec(CodingEnv, instance=True)
    env.step(CodeAction(code="1"))
    env.step(action=CodeAction(code="1"))
    env.step(code="1")
    with pytest.raises(TypeError):
        env.step(cod="1")


def test_a_mock_takes_an_action_beside_a_field_of_that_name(tmp_path: Path) -> None:
    module = build(action({"action": {"type": "string"}}), tmp_path)
    env = mock.create_autospec(module.DoEnv, instance=True)
    env.step(module.DoAction(action="a"))
    env.step(action="a")
    shown = pydoc.render_doc(module.DoEnv.step, renderer=pydoc.plaintext)
    assert "DoAction | None = None, /, *, action:" in " ".join(shown.split())


# --- examples -------------------------------------------------------------------------------------


def example(client: type) -> str:
    doc = inspect.getdoc(client) or ""
    return textwrap.dedent(doc.partition("Example:\n")[2])


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    document = json.loads((ROOT / "schemas" / "coding_env.json").read_text())
    with serving(create_app(document, partial(CodingEnvironment, max_steps=9))) as base_url:
        yield base_url


def test_the_example_runs(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    program = example(CodingEnv).replace("http://127.0.0.1:8000", url)
    exec(compile(program, "example", "exec"), {"CodingEnv": CodingEnv})
    assert capsys.readouterr().out.endswith("exit_code=0 1.0 False\n")


def take_steps(env: Any, take: Callable[[Any], object]) -> None:
    """Have a client hand the requests of its steps to a function, and take anything as replies."""
    env._calls.begin = lambda _flight: None
    env._calls.answered = lambda *_: mock.MagicMock()
    env._transport = mock.Mock(exchange=take)


class Recorder:
    """Stands for a server: takes what a client's example would send."""

    def __init__(self, module: ModuleType, name: str) -> None:
        self._real = getattr(module, name)("http://127.0.0.1:9")
        self.sent: list[str] = []
        self._real._calls.exchange = self.exchange
        take_steps(self._real, lambda request: self.sent.append(request.operation))

    def exchange(self, request: Any, _parse: Any) -> Iterator[Any]:
        """A call that has no effects to perform."""
        self.sent.append(request.operation)
        yield from ()
        return mock.MagicMock()

    def __call__(self, _url: str) -> Any:
        return self

    def __enter__(self) -> Any:
        return self._real

    def __exit__(self, *_error: object) -> None:
        self._real._transport = None


@pytest.mark.slow
@pytest.mark.parametrize(
    "file",
    [
        *(ROOT / "schemas").glob("*.json"),
        *(case for case in GOLDEN if "action" in json.loads(case.read_text())),  # it has steps
        *contract_cases("corpus"),
    ],
    ids=str,
)
def test_an_example_has_an_action_that_the_environment_takes(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    package = build_package(read_contract(str(file)), tmp_path)
    module = load(package.folder)
    program = example(getattr(module, package.class_name))
    recorder = Recorder(module, package.class_name)
    exec(compile(program, "example", "exec"), {**vars(module), package.class_name: recorder})
    assert recorder.sent == ["reset", "step"]
    assert capsys.readouterr().out


# --- the keyword form -----------------------------------------------------------------------------


def sent(module: ModuleType, *args: Any, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The data and the options of a step."""
    env = module.DoEnv("http://127.0.0.1:9")
    found: list[tuple[dict[str, Any], dict[str, Any]]] = []

    def take(request: Any) -> None:
        found.append((request.data, {"id": request.request_id, "timeout_s": request.timeout_s}))

    take_steps(env, take)
    try:
        env.step(*args, **kwargs)
    finally:
        env._transport = None
    return found[0]


def test_step_takes_an_action_in_each_form(tmp_path: Path) -> None:
    module = build(action({"text": {"type": "string"}}), tmp_path)
    act = module.DoAction(text="a")
    for form in ([act], {}), ([], {"action": act}), ([], {"text": "a"}):
        data, options = sent(module, *form[0], **form[1], request_id="r", timeout_s=3)
        assert data == {"text": "a"}
        assert options == {"id": "r", "timeout_s": 3}
    with pytest.raises(InvalidRequest, match="not both"):
        sent(module, act, text="a")
    with pytest.raises(InvalidRequest, match="txt"):
        sent(module, txt="a")


def test_a_field_wins_over_a_parameter_of_its_name(tmp_path: Path) -> None:
    names = ("action", "request_id", "timeout_s", "self", "fields", "args", "kwargs", "options")
    module = build(action({name: {"type": "string"} for name in names}), tmp_path)
    python = {name: "x" for name in names if name != "self"}
    data, options = sent(module, **python, self_="x")
    assert data == dict.fromkeys(names, "x")
    assert options["timeout_s"] == 60.0, "the client's"
    act = module.DoAction(action="x", timeout_s="x")
    assert sent(module, act, timeout_s=3) == (
        {"action": "x", "timeout_s": "x"},
        {"id": mock.ANY, "timeout_s": 3},
    )
    shown = inspect.signature(module.DoEnv.step).parameters
    assert shown["timeout_s"].annotation == str | None


def test_a_variant_is_given_as_an_action(tmp_path: Path) -> None:
    case = ROOT / "tests" / "golden" / "unions" / "contract.json"
    module = load(build_package(read_contract(str(case)), tmp_path).folder)
    assert module.UnionsEnv.step is module.UnionsEnv.__mro__[2].step, "nothing is generated"


# --- packages of other versions -------------------------------------------------------------------


def test_a_package_built_by_0_1_says_what_to_do(tmp_path: Path) -> None:
    folder = tmp_path / "coding_env"
    folder.mkdir()
    for text in (ROOT / "tests" / "built_by_0_1").glob("*.py.txt"):
        (folder / text.stem).write_text(text.read_text())
    with pytest.raises(
        ImportError, match=re.escape("built by envgen 0.1: run envgen build")
    ) as raised:
        load(folder)
    assert "\n" not in str(raised.value)


def test_a_name_that_never_was_is_missing_as_usual() -> None:
    import envgen_runtime

    assert not hasattr(envgen_runtime, "no_such_name")

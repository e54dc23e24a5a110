"""docs/gymnasium.md says what is so, and its example runs as a project has it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from statistics import median

import pytest

from envgen.demo.environment import CodingEnvironment
from envgen.demo.server import create_app, serving
from envgen_runtime.adapters.gymnasium.hints import Hint
from envgen_runtime.adapters.gymnasium.notes import NoSpace
from tests.adapters.spaced import with_hints
from tests.support import ROOT, contracts, run

PAGE = (ROOT / "docs" / "gymnasium.md").read_text()


@pytest.mark.slow
def test_the_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (settings,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    programs = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    Path("pyproject.toml").write_text(settings)
    Path("schemas").mkdir()
    shutil.copy(ROOT / "schemas" / "coding_env.json", "schemas")
    assert run("build").exit_code == 0
    document = json.loads(Path("schemas/coding_env.json").read_text())
    printed: list[tuple[str, str]] = []
    with serving(create_app(document, partial(CodingEnvironment, max_steps=2))) as url:
        for program in programs:
            text = program.replace("http://127.0.0.1:8000", url)
            command = [sys.executable, "-W", "error", "-c", text]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            printed.append((done.stdout, done.stderr))
    assert printed == [("42 1.0 False False\n0\n", ""), ("[0]\n", "")]


def test_the_hints_of_the_page_are_all() -> None:
    section = PAGE.partition("## Hints\n")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `(\w+) = ", section, re.MULTILINE) == [*Hint.__dataclass_fields__]


def test_the_figures() -> None:
    needed: list[int] = []
    refused: list[str] = []
    for file in contracts("corpus"):
        try:
            needed.append(len(with_hints(json.loads(file.read_text()))[1]))
        except NoSpace as error:
            refused.append(str(error))
    count = len(needed) + len(refused)
    unlisted = sum("doesn't list the tools" in message for message in refused)
    text = " ".join(PAGE.split())
    if f"the {count} contracts" not in text:
        pytest.skip("the page is about more contracts than are here")
    assert min(needed) > 0
    assert f"{len(needed)} have; they need from {min(needed)} to {max(needed)}" in text
    assert f"the median is {median(needed):g}" in text
    assert f"{len(refused)} are refused: {unlisted} call tools" in text

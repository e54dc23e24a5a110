"""The example in docs/openapi.md runs."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from envgen.demo.server import serving
from tests.support import ROOT, run

PAGE = (ROOT / "docs" / "openapi.md").read_text()


@pytest.mark.slow
def test_the_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    server, program = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    Path("walk.py").write_text(server)
    monkeypatch.syspath_prepend(str(tmp_path))
    with serving(importlib.import_module("walk").app) as url:
        assert run("build", url).exit_code == 0
        done = subprocess.run(
            [sys.executable, "-c", program.replace("http://127.0.0.1:8000", url)],
            capture_output=True,
            text=True,
            check=False,
        )
    assert (done.stdout, done.stderr) == ("2 2.0 False\n4 2.0 True\n", "")

"""The examples of an MCP server in docs/mcp.md and docs/tool-calling.md run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "mcp.md").read_text()
TOOL_CALLING = (ROOT / "docs" / "tool-calling.md").read_text()


@pytest.mark.slow
def test_the_examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mcp.server.mcpserver")
    pytest.importorskip("envgen")
    monkeypatch.chdir(tmp_path)
    # `python` on the page is this one.
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    server, program = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    Path("weather.py").write_text(server)
    (command,) = re.findall(r"`envgen build '(mcp\+stdio:python [^']*)'`", PAGE)
    build = [sys.executable, "-m", "envgen", "build", command]
    subprocess.run(build, check=True, capture_output=True)
    assert _printed(program) == [
        "[20.0, 21.0] weather",
        "{'city': 'Bergen', 'celsius': [20.0]}",
        "{'get-forecast': 'get-forecast'}",
        "{'city': 'Voss', 'celsius': [20.0]}",
    ]
    _, for_models, *_ = re.findall(r"```python\n(.*?)```", TOOL_CALLING, re.DOTALL)
    assert _printed(for_models) == [
        "get-forecast ['city']",
        "{'city': 'Oslo', 'celsius': [20.0]}",
    ]


def _printed(program: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    return done.stdout.splitlines()

"""What runs in CI: few actions of others, each pinned, and one exact uv."""

from __future__ import annotations

import re

from tests.support import ROOT

PLACES = [
    *ROOT.glob(".github/**/*.yml"),
    *ROOT.glob("docs/*.md"),
    *(ROOT / name for name in ("action.yml", "README.md", ".pre-commit-hooks.yaml")),
]
SCRIPTS = [*PLACES, ROOT / ".ci" / "install-uv", ROOT / ".ci" / "run"]
README_COMMAND = "pip install uv && uv run pytest"
"""For people, who take the uv that they have; .ci/run calls it when it has installed its own."""
_OURS = "OWNER/envgen"


def test_actions_of_others_are_few_and_pinned() -> None:
    used = {
        (match[1], match[2], match[3] or "")
        for path in PLACES
        for match in re.finditer(r"uses:\s*([^@\s]+)@(\S+)(?: +# (v\S+))?", path.read_text())
        if match[1] != _OURS
    }
    (checkout,) = used
    name, commit, release = checkout
    assert name == "actions/checkout"
    assert re.fullmatch(r"[0-9a-f]{40}", commit)
    assert re.fullmatch(r"v\d+\.\d+\.\d+", release)


def test_uv_is_one_exact_release() -> None:
    releases: set[str] = set()
    for path in SCRIPTS:
        if path.name in ("README.md", "CONTRIBUTING.md"):
            continue  # for people, who take the uv that they have
        for line in path.read_text().splitlines():
            is_comment = line.lstrip().startswith("#")
            if line == README_COMMAND and releases:
                continue
            if re.search(r"pip\"? install\b.*\buv\b", line) and not is_comment:
                releases.add(line.rpartition("uv==")[2] if "uv==" in line else f"{path}: {line}")
    assert len(releases) == 1
    assert re.fullmatch(r"\d+\.\d+\.\d+", *releases)


def test_a_script_has_no_text_of_others_in_it() -> None:
    """``${{ }}`` in a script is replaced before the shell reads it."""
    for path in ROOT.glob(".github/**/*.yml"):
        text = path.read_text()
        assert re.search(r"^permissions:\n  contents: read$", text, re.MULTILINE), path
        assert not re.search(r"run:.*\$\{\{", text), path
    action = (ROOT / "action.yml").read_text()
    assert "${{" not in action.partition("run: |")[2]

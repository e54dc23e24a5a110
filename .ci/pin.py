"""Writes the newest versions that resolve together into pyproject.toml, for development and CI.

They are constraints without addresses rather than a lock file: a lock file records the address of
whichever registry resolved it. The packages that users install keep their ranges.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"


def main() -> None:
    """Resolve without the constraints that are there, and write what comes out."""
    before = PYPROJECT.read_text()
    try:
        PYPROJECT.write_text(_with(before, "constraint-dependencies", []))
        _uv("lock", "--upgrade")
        # Every platform and Python that is supported, in one resolution. Of the extras those that
        # the groups name: trainers are in environments of their own.
        tools = _uv("export", "--frozen", "--no-hashes", "--no-emit-workspace", "--all-groups",
                    "--all-packages")  # fmt: skip
        build = _uv("pip", "compile", "--no-config", "--universal", "--python-version", "3.11", "-",
                    stdin="hatchling")  # fmt: skip
    except BaseException:
        PYPROJECT.write_text(before)
        raise
    after = _with(before, "constraint-dependencies", _requirements(tools))
    PYPROJECT.write_text(_with(after, "build-constraint-dependencies", _requirements(build)))


def _uv(*arguments: str, stdin: str = "") -> str:
    done = subprocess.run(
        ["uv", *arguments],
        cwd=PYPROJECT.parent,
        input=stdin,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout


def _requirements(listing: str) -> list[str]:
    lines = (line.partition("#")[0].strip() for line in listing.splitlines())
    return sorted(line.replace(" ; ", "; ") for line in lines if "==" in line)


def _with(text: str, key: str, requirements: list[str]) -> str:
    lines = "".join(f'    "{requirement}",\n' for requirement in requirements)
    pattern = rf"^{key} = \[\n.*?^\]$"
    changed, count = re.subn(
        pattern, lambda _: f"{key} = [\n{lines}]", text, flags=re.MULTILINE | re.DOTALL
    )
    if count != 1:
        raise SystemExit(f"{PYPROJECT}: expected one list of {key}, found {count}")
    return changed


if __name__ == "__main__":
    main()

"""The two wheels, in an empty environment outside of the checkout."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from envgen.demo.environment import CodingEnvironment
from envgen.demo.server import create_app, serving
from tests.support import ROOT

pytestmark = pytest.mark.slow

EPISODE = """
import sys
from clients.coding_env import CodeAction, CodingEnv

with CodingEnv(sys.argv[1]) as env:
    env.reset(seed=1)
    result = env.step(CodeAction(code="print('from a wheel')"))
    print(result.observation.stdout, result.reward, env.state().step_count)
"""


def uv(*arguments: str, cwd: Path) -> str:
    command = ["uv"] if shutil.which("uv") else [sys.executable, "-m", "uv"]
    environment = {key: value for key, value in os.environ.items() if key != "VIRTUAL_ENV"}
    done = subprocess.run(
        [*command, *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    out = tmp_path_factory.mktemp("wheels")
    uv("build", "--quiet", "--wheel", "--all-packages", "--out-dir", str(out), cwd=ROOT)
    return {wheel.name.partition("-")[0]: wheel for wheel in out.glob("*.whl")}


def installed(python: Path, cwd: Path) -> set[str]:
    listed = json.loads(uv("pip", "list", "--format=json", f"--python={python}", cwd=cwd))
    return {package["name"] for package in listed}


def environment(folder: Path, *packages: Path) -> Path:
    uv("venv", "--quiet", "--python", sys.executable, str(folder), cwd=folder.parent)
    python = folder / "bin" / "python"
    uv("pip", "install", "--quiet", f"--python={python}", *map(str, packages), cwd=folder.parent)
    return python


def test_what_the_wheels_hold(wheels: dict[str, Path]) -> None:
    assert set(wheels) == {"openenv_envgen", "envgen_runtime"}
    names = {key: set(zipfile.ZipFile(wheel).namelist()) for key, wheel in wheels.items()}
    assert {
        "envgen/cli/__init__.py",
        "envgen/py.typed",
        "envgen/templates/client.py.jinja",
        "envgen/templates/models.py.jinja",
        "envgen/demo/coding_env.json",
    } <= names["openenv_envgen"]
    assert "envgen_runtime/py.typed" in names["envgen_runtime"]
    for key, top in (("openenv_envgen", "envgen"), ("envgen_runtime", "envgen_runtime")):
        modules = {name.partition("/")[0] for name in names[key] if ".dist-info" not in name}
        assert modules == {top}
        assert any(name.endswith("licenses/LICENSE") for name in names[key])


def test_a_client_is_built_and_played_outside_of_the_checkout(
    wheels: dict[str, Path], tmp_path: Path
) -> None:
    python = environment(tmp_path / "developer", *wheels.values())
    contract = json.loads((ROOT / "schemas" / "coding_env.json").read_text())
    (tmp_path / "coding_env.json").write_text(json.dumps(contract))
    envgen = python.with_name("envgen")
    subprocess.run([envgen, "build", "coding_env.json", "--out=clients"], cwd=tmp_path, check=True)
    subprocess.run([envgen, "demo"], cwd=tmp_path, check=True, stdout=subprocess.DEVNULL)

    trainer = environment(tmp_path / "trainer", wheels["envgen_runtime"])
    assert len(installed(trainer, tmp_path)) < 15
    with serving(create_app(contract, CodingEnvironment)) as url:
        played = subprocess.run(
            [trainer, "-c", EPISODE, url], cwd=tmp_path, capture_output=True, text=True, check=False
        )
    assert (played.stdout, played.stderr) == ("from a wheel\n 1.0 1\n", "")

"""What OpenEnv's servers publish, as a source of contracts."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from tests.interop.conftest import RELEASES, StartServer
from tests.support import load, run, save

SEED, NEWEST = RELEASES[0], RELEASES[-1]


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_openapi_document_of_openenv_leads_to_its_schema(start_server: StartServer) -> None:
    url = start_server(NEWEST)
    assert run("build", f"{url}/openapi.json", "--name", "a_env").exit_code == 0
    assert run("build", url, "--name", "b_env").exit_code == 0
    a, b = (Path(f"schemas/{name}_env.json").read_text() for name in "ab")
    assert a.replace("a_env", "b_env") == b
    with load(Path("generated/a_env")).AEnv(url) as env:
        assert env.reset().observation is not None


def test_as_a_file_it_says_what_is_missing(start_server: StartServer) -> None:
    url = start_server(NEWEST)
    save(httpx.get(f"{url}/openapi.json", trust_env=False).text, "openapi.json")
    result = run("build", "openapi.json")
    assert result.exit_code == 1
    place = "openapi.json#/components/schemas/StepRequest/properties/action"
    assert f"{place}: POST /step takes an action of any form" in result.stderr
    assert "OpenEnv servers publish it at /schema" in result.stderr


def test_the_first_servers_publish_no_types(start_server: StartServer) -> None:
    result = run("build", start_server(SEED, "coding"))
    assert result.exit_code == 1
    assert "write the contract as a file" in result.stderr

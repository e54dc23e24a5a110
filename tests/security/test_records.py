"""What says which servers were started is input: records, labels, and the folders they name."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from envgen_runtime.errors import EngineError, StartError
from envgen_runtime.providers.managed import managed_servers, orphans
from envgen_runtime.providers.owner import Owner, start_time, this_process
from envgen_runtime.providers.process.records import Record, records
from tests.support import PATIENCE_S, run

NAME = f"envgen-{uuid.UUID(int=7)}"
GONE = f"{this_process().partition('/')[0]}/999999/1"


def no_engine() -> None:
    raise EngineError("there is none here")


@pytest.fixture(autouse=True)
def started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of records, and a temporary folder of the test's own."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    monkeypatch.setattr("envgen_runtime.providers.docker.engine.Engine", no_engine)
    folder = tmp_path / "state" / "envgen" / "started"
    folder.mkdir(mode=0o700, parents=True)
    return folder


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """A folder of the user's."""
    folder = tmp_path / "victim"
    folder.mkdir()
    (folder / "precious").write_text("precious")
    return folder


@pytest.fixture
def bystander() -> Iterator[Callable[[str], subprocess.Popen[bytes]]]:
    """Starts a process that carries a server's cookie."""
    processes: list[subprocess.Popen[bytes]] = []

    def start(cookie: str) -> subprocess.Popen[bytes]:
        env = {**os.environ, "ENVGEN_SERVER": cookie}
        command = [sys.executable, "-c", "print(flush=True); input()"]
        process = subprocess.Popen(
            command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        )
        assert process.stdout is not None
        process.stdout.readline()
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def fields(**changes: Any) -> dict[str, Any]:
    folder = str(Path(tempfile.gettempdir()) / NAME)
    return {"name": NAME, "what": "x", "folder": folder, "owner": GONE, **changes}


def write(started: Path, content: Any, name: str = NAME) -> Path:
    path = started / f"{name}.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    path.chmod(0o600)
    return path


def pruned(*, says: str) -> None:
    """``ps`` and ``prune`` go on, in spite of a record that is ignored."""
    for command in ("ps", "prune"):
        done = run(command)
        assert (done.exit_code, done.exception) == (0, None), done.output
        assert "ignored" in done.stderr
        assert says in done.stderr


# --- records --------------------------------------------------------------------------------------


def test_what_we_write_is_ours_alone(started: Path) -> None:
    started.rmdir()
    started.parent.rmdir()
    before = os.umask(0)
    try:
        record = Record(**fields(owner=this_process()))
        record.save()
        record.create_folder()
    finally:
        os.umask(before)
    assert [record] == records()
    modes = [path.stat().st_mode & 0o777 for path in (started.parent, started, Path(record.folder))]
    assert modes == [0o700] * 3
    assert (started / f"{NAME}.json").stat().st_mode & 0o777 == 0o600
    record.remove()
    assert records() == []
    assert not Path(record.folder).exists()


@pytest.mark.parametrize(
    "content",
    [
        "", "{", "[]", "5", "null", "[" * 100_000, '{"name": 1}', "\x00", " " * 100_000,
        fields(name=5), fields(what=None), fields(folder=["x"]), fields(owner={}), fields(more=""),
    ],
    ids=lambda value: str(value)[:20],
)  # fmt: skip
def test_what_is_no_record_is_ignored(content: Any, started: Path) -> None:
    path = write(started, content)
    pruned(says=NAME)
    assert path.exists()


@pytest.mark.parametrize(
    "name",
    ["", "myjob", "../../x", f"../{NAME}", f"{NAME}\n", NAME.upper(), f"{NAME}/", "envgen-1"],
)
def test_a_name_that_is_not_ours_is_ignored(
    name: str, started: Path, bystander: Callable[[str], subprocess.Popen[bytes]]
) -> None:
    process = bystander(name)
    write(started, fields(name=name), "x" if not name or "/" in name or "\n" in name else name)
    write(started, fields(name=name))
    pruned(says="its name")
    assert process.poll() is None


@pytest.mark.parametrize(
    "owner",
    [
        "", "x", "//", "h/1", "h/²/1", "h/٣/1", "h/99999999999999999999999/1", "h/-1/1", "h/0/1",
        "h/1/x", "h/1/1/1", f"h/{2**31}/1", "h/1/1\n", "/1/1", "h\x1b/1/1", "h/1/" + "9" * 30,
    ],
)  # fmt: skip
def test_an_owner_that_is_not_in_our_form_is_ignored(owner: str, started: Path) -> None:
    owner = owner.replace("h", GONE.partition("/")[0], 1) if owner.startswith("h/") else owner
    if owner.endswith("/1/1/1"):
        owner = f"a/{owner}"
    write(started, fields(owner=owner))
    pruned(says="its owner")
    assert Owner.parse(owner) is None


def test_a_folder_that_is_not_ours_stays(started: Path, victim: Path) -> None:
    temporary = Path(tempfile.gettempdir())
    (temporary / NAME).symlink_to(victim, target_is_directory=True)
    beside = temporary / "envgen-else"
    beside.mkdir()
    for folder in (
        victim, "", "/", ".", temporary, beside, temporary / NAME, temporary / NAME / "..",
        f"{temporary}/x/../{NAME}",
    ):  # fmt: skip
        write(started, fields(folder=str(folder)))
        pruned(says="its folder")
    (temporary / NAME).unlink()
    victim.rename(temporary / NAME)
    write(started, fields())
    pruned(says="no mark")
    (temporary / NAME / ".envgen").symlink_to(write(started, NAME, "mark"))
    pruned(says="no mark")
    assert (temporary / NAME / "precious").read_text() == "precious"


def test_a_folder_that_others_can_write_is_not_read(started: Path) -> None:
    write(started, fields())
    started.chmod(0o777)
    pruned(says="can be written by other users")
    with pytest.raises(StartError, match="can be written by other users"):
        Record(**fields(name=f"envgen-{uuid.uuid4()}")).save()
    started.chmod(0o700)
    (started / f"{NAME}.json").chmod(0o666)
    pruned(says="can be written by other users")


def test_a_record_that_is_a_link_is_ignored(started: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text(json.dumps(fields()))
    (started / f"{NAME}.json").symlink_to(tmp_path / "elsewhere")
    pruned(says="is a link")
    (started / f"{NAME}.json").unlink()
    os.mkfifo(started / f"{NAME}.json")
    pruned(says="is a link, or of another kind")


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="processes are found in /proc")
def test_only_what_the_owner_can_have_started_is_killed(
    started: Path, bystander: Callable[[str], subprocess.Popen[bytes]]
) -> None:
    process = bystander(NAME)
    host = GONE.partition("/")[0]
    later = (start_time(process.pid) or 0) + 1
    write(started, fields(owner=f"{host}/999999/{later}"))
    assert run("prune").exit_code == 0
    assert process.poll() is None, "it is older than the owner"
    write(started, fields())
    done = run("prune")
    assert f"removed {NAME}" in done.stdout
    assert process.wait(PATIENCE_S) == -9
    assert records() == []


def test_a_hostile_name_is_shown_in_one_line(started: Path) -> None:
    hostile = "\n::error::x \x1b]0;x\x07\u202e" + "y" * 10_000
    write(started, fields(what=hostile, owner=this_process()))
    shown = run("ps").stdout
    header, row = shown.splitlines()
    assert header.startswith("NAME")
    assert row.startswith(NAME)
    assert shown.replace("\n", "").isprintable()
    assert len(row) < 5000


# --- labels ---------------------------------------------------------------------------------------


class Engine:
    """An engine with these containers."""

    def __init__(self, *entries: dict[str, Any]) -> None:
        self.entries = entries
        self.removed: list[str] = []
        self.api = self

    def containers(self, _label: str) -> list[dict[str, Any]]:
        return list(self.entries)

    def info(self) -> dict[str, Any]:
        return {}

    def remove(self, name: str) -> None:
        self.removed.append(name)


def entry(**changes: Any) -> dict[str, Any]:
    labels = {"envgen.managed": "true", "envgen.owner": GONE}
    return {
        "Id": "1",
        "Names": [f"/{NAME}"],
        "Labels": labels,
        "Image": "x",
        "Status": "Up",
    } | changes


@pytest.mark.parametrize(
    "changes",
    [
        {"Names": ["/honest_container"]},
        {"Names": []},
        {"Names": None},
        {"Names": [f"/{NAME}x"]},
        {"Labels": None},
        {"Labels": {"envgen.managed": "true"}},
        *(
            {"Labels": {"envgen.owner": owner}}
            for owner in ("", "x", "h/²/1", f"h/{10**30}/1", None)
        ),
    ],
    ids=str,
)
def test_a_container_with_labels_of_its_image_is_not_ours(
    changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("envgen_runtime.providers.swarm.api.Swarm.is_active", lambda _: False)
    engine, ignored = Engine(entry(**changes), entry(Id="2")), list[str]()
    servers = managed_servers(engine, ignored.append)  # type: ignore[arg-type]
    for server in orphans(servers):
        server.remove()
    assert engine.removed == ["2"]
    assert len(ignored) == 1

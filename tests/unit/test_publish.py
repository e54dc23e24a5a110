"""A package is there whole, or as it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from envgen.errors import OutputError
from envgen.publish import publish

FILES = {"__init__.py": "x = 1\n", "contract.json": "{}\n"}


def contents(folder: Path) -> dict[str, str]:
    return {file.name: file.read_text() for file in folder.iterdir()}


def test_files_are_written_once(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "pkg"
    assert publish(FILES, folder)
    written = (folder / "__init__.py").stat()
    assert not publish(FILES, folder)
    assert (folder / "__init__.py").stat().st_mtime_ns == written.st_mtime_ns
    assert contents(folder) == FILES


def test_a_rebuild_keeps_what_others_put_there(tmp_path: Path) -> None:
    folder = tmp_path / "pkg"
    publish(FILES, folder)
    (folder / "notes.txt").write_text("mine")
    assert publish({**FILES, "__init__.py": "x = 2\n"}, folder)
    assert contents(folder) == {**FILES, "__init__.py": "x = 2\n", "notes.txt": "mine"}
    assert [path.name for path in tmp_path.iterdir()] == ["pkg"]


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("precious")
    with pytest.raises(OutputError, match="not a package that envgen made"):
        publish(FILES, tmp_path)
    assert contents(tmp_path) == {"main.py": "precious"}


def test_a_failed_write_leaves_the_old_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "pkg"
    publish(FILES, folder)
    rename = Path.rename

    def fail(self: Path, target: Path) -> Path:
        if self.name == "new":
            raise OSError(28, "No space left on device")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(OutputError, match="No space left"):
        publish({**FILES, "__init__.py": "x = 2\n"}, folder)
    assert contents(folder) == FILES
    assert [path.name for path in tmp_path.iterdir()] == ["pkg"]

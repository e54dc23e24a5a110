"""What the text of a source says, and how it is shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from envgen.sources.address import Kind, kind_of, label, recorded


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("schemas/coding_env.json", "file"),
        ("https.json", "file"),
        ("Docker://x", "file"),
        ("-", "stdin"),
        ("http://127.0.0.1:8000", "url"),
        ("HTTPS://me-maze.hf.space", "url"),
        ("python:maze.models:A,O,S", "python"),
        ("docker://maze:latest", "image"),
        ("hf://me/maze", "space"),
        ("git+https://host/maze", "folder"),
        ("", "folder"),
    ],
)
def test_what_a_source_names(source: str, kind: Kind, tmp_path: Path) -> None:
    assert kind_of(source or str(tmp_path)) == kind


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("https://me:s3cret@host/x?token=s3cret#s3cret", "https://host/x"),
        ("http://[s3cret", "a URL that can't be read"),
        ("git+https://me:s3cret@host/x@v1#subdirectory=y", "git+https://host/x@v1#subdirectory=y"),
        ("git+ssh://git@host/x", "git+ssh://host/x"),
        ("docker://host/x@sha256:0", "docker://host/x@sha256:0"),
        ("x/@y.json", "x/@y.json"),
    ],
)
def test_a_source_is_shown_without_secrets(source: str, shown: str) -> None:
    assert label(source) == shown


def test_a_source_is_recorded_without_paths_of_this_machine(tmp_path: Path) -> None:
    assert recorded(str(tmp_path / "a.json")) == "a.json"
    assert recorded(str(tmp_path)) == tmp_path.name
    for source in ("schemas/a.json", "docker://maze", "python:maze.models:A,O,S"):
        assert recorded(source) == source

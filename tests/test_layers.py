"""Who may import whom, as ARCHITECTURE.md draws it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import envgen_runtime
from tests.support import ROOT

RUNTIME = ROOT / "runtime" / "envgen_runtime"
GENERATOR = ROOT / "codegen" / "envgen"

# A module may import those of lower layers.
GENERATOR_LAYERS = (
    {"errors", "findings", "interrupts", "text", "options"},
    {"naming", "schema"},
    {"config", "contract"},
    {"sources", "plan"},
    {"render", "compat", "output"},
    {"build"},
    {"project", "demo"},
    {"cli"},
    {"__main__"},
)
RUNTIME_LAYERS = (
    {"json_value", "documented", "forks", "printable"},
    {"errors", "result"},
    {"models", "wire"},
    {"contract", "observe", "transports"},
    {"calling", "providers", "tools"},
    {"clients", "mcp"},
    {"generated"},
    {"adapters"},
    {"__init__"},
)
KNOWN_TO = {
    "docker": ["providers/docker/engine.py"],
    "httpcore": ["transports/http.py", "transports/http_deadline.py", "transports/httpx_client.py"],
    "httpx": ["transports/httpx_client.py"],
    "websockets": [
        "transports/message_stream.py",
        "transports/refusals.py",
        "transports/websocket_protocol.py",
    ],
}


def is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def running(tree: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a module without what only type checkers read."""
    yield tree
    for child in ast.iter_child_nodes(tree):
        if not is_for_types(child):
            yield from running(child)


def imports(file: Path, package: Path) -> set[tuple[str, str]]:
    """What a module imports: ('own', module of the package) or ('other', top-level module)."""
    found: set[tuple[str, str]] = set()
    depth = len(file.relative_to(package).parts)
    for node in running(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {("other", alias.name.partition(".")[0]) for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add(("other", (node.module or "").partition(".")[0]))
        elif isinstance(node, ast.ImportFrom) and node.level == depth:
            names = [node.module] if node.module else [alias.name for alias in node.names]
            found |= {("own", name.partition(".")[0]) for name in names}
    return found


def modules(package: Path) -> list[Path]:
    return sorted(package.rglob("*.py"))


@pytest.mark.parametrize(
    ("package", "layers"),
    [(GENERATOR, GENERATOR_LAYERS), (RUNTIME, RUNTIME_LAYERS)],
    ids=["generator", "runtime"],
)
def test_imports_go_down(package: Path, layers: tuple[set[str], ...]) -> None:
    height = {name: number for number, layer in enumerate(layers) for name in layer}
    wrong: list[str] = []
    for file in modules(package):
        name = file.relative_to(package).parts[0].removesuffix(".py")
        if name == "__init__" and package is GENERATOR:
            continue
        for kind, other in imports(file, package):
            known = kind == "own" and other in height and other != name
            if known and height[other] >= height[name]:
                wrong.append(f"{name} imports {other}")
    assert wrong == []
    placed = {file.relative_to(package).parts[0].removesuffix(".py") for file in modules(package)}
    assert placed - {"__init__"} == set(height) - {"__init__"}, "every module has a layer"


def edges(package: Path) -> set[tuple[str, str]]:
    """Which entries of a package's folder import which others."""
    return {
        (name, other)
        for file in modules(package)
        for name in [file.relative_to(package).parts[0].removesuffix(".py")]
        for kind, other in imports(file, package)
        if kind == "own" and other != name and not other.startswith("__")
    }


@pytest.mark.parametrize(
    # Tools, sessions of MCP and what models are shown are concerns of their own: an entry each, and
    # what they read. Trainers' adapters stand on all of that.
    ("package", "most_entries", "most_edges"),
    [(GENERATOR, 20, 79), (RUNTIME, 19, 71)],
)
def test_a_newcomer_can_keep_the_house_in_mind(
    package: Path, most_entries: int, most_edges: int
) -> None:
    """The first layout had 39 and 29 entries, with 155 and 103 imports between them."""
    entries = {file.relative_to(package).parts[0] for file in modules(package)}
    assert len(entries) <= most_entries
    assert len(edges(package)) <= most_edges


@pytest.mark.parametrize("package", [GENERATOR, RUNTIME])
def test_the_diagram_is_the_folder_listing(package: Path) -> None:
    page = (ROOT / "ARCHITECTURE.md").read_text()
    diagram = page.partition(f"{package.relative_to(ROOT)}/\n")[2].partition("```")[0]
    named = {name for line in diagram.splitlines() for name in line.split("  ")[1].split()}
    entries = {file.relative_to(package).parts[0] for file in modules(package)}
    expected = {entry.removesuffix(".py") for entry in entries} - {"__init__", "__main__"}
    assert {name.rstrip("/") for name in named} == expected


def test_the_runtime_never_imports_the_generator() -> None:
    for file in modules(RUNTIME):
        assert ("other", "envgen") not in imports(file, RUNTIME)


@pytest.mark.slow
def test_few_modules_know_a_library_of_the_wire() -> None:
    for library, allowed in KNOWN_TO.items():
        users = [
            str(file.relative_to(RUNTIME))
            for file in modules(RUNTIME)
            if ("other", library) in imports(file, RUNTIME)
        ]
        assert users == allowed


def test_only_the_command_line_prints_and_exits() -> None:
    """The demo is a program to look at; it prints on the console that it is given."""
    for file in modules(GENERATOR):
        nodes = list(ast.walk(ast.parse(file.read_text())))
        names = {node.id for node in nodes if isinstance(node, ast.Name)}
        names |= {node.attr for node in nodes if isinstance(node, ast.Attribute)}
        libraries = {module for kind, module in imports(file, GENERATOR) if kind == "other"}
        if not {"cli", "demo", "__main__.py"} & set(file.parts):
            assert not names & {"exit", "SystemExit", "Exit", "print"}, file
            assert not libraries & {"typer", "rich"}, file


def test_generated_code_imports_the_runtime_pydantic_and_the_standard_library() -> None:
    allowed = {"__future__", "datetime", "envgen_runtime", "pydantic", "typing", "uuid"}
    for file in (ROOT / "generated").glob("*/*.py"):
        assert {module for kind, module in imports(file, file.parent) if kind == "other"} <= allowed


def test_the_public_surface_is_listed() -> None:
    public = {name for name in dir(envgen_runtime) if not name.startswith("_")}
    submodules = {path.stem for path in RUNTIME.iterdir()}
    assert public - submodules - {"annotations", "TYPE_CHECKING"} == set(envgen_runtime.__all__)


def test_modules_stay_small() -> None:
    long = {
        str(file): count
        for package in (RUNTIME, GENERATOR)
        for file in modules(package)
        if (count := len(file.read_text().splitlines())) > 400
    }
    assert long == {}

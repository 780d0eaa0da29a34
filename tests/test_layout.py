"""The shape of the repository: which way imports run, who builds keys, who reads Lua, what no file may hold."""

from __future__ import annotations

import ast
import graphlib
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("schemas", "engine", "web")
MAY_IMPORT = {"schemas": {"schemas"}, "engine": {"schemas", "engine"}, "web": {"schemas", "engine", "web"}}

IO_MODULES = {
    "aiohttp", "asyncio", "concurrent", "ftplib", "glob", "http", "httpx", "io", "multiprocessing", "os", "pathlib",
    "redis", "requests", "select", "selectors", "shutil", "signal", "socket", "sqlite3", "ssl", "subprocess",
    "tempfile", "threading", "time", "urllib", "websockets",
}  # fmt: skip
"""Modules that read, write, wait or tell the time; `schemas` imports none of them."""

SOURCES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
LUA = sorted((ROOT / "lua").glob("*.lua"))


def name_of(path: Path) -> str:
    """The dotted name of a module."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in SOURCES}


def imports_of(path: Path, *, late: bool = True) -> Iterator[str]:
    """Full names that a module imports; without `late` only what it imports when it is imported itself."""

    def walk(node: ast.AST) -> Iterator[ast.AST]:
        for child in ast.iter_child_nodes(node):
            if not late and isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
                continue
            yield child
            yield from walk(child)

    for node in walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if whole in MODULES else str(node.module)


def tracked() -> list[Path]:
    """Every file under version control."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()]


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_a_module_imports_only_its_own_layer_and_the_ones_below(path: Path) -> None:
    allowed = MAY_IMPORT[path.relative_to(ROOT).parts[0]]
    own = {name.partition(".")[0] for name in imports_of(path)} & set(PACKAGES)
    assert own <= allowed


def test_no_module_imports_itself_in_a_circle() -> None:
    graph = {
        name: {found for found in imports_of(path, late=False) if found in MODULES and found != name}
        for name, path in MODULES.items()
    }
    tuple(graphlib.TopologicalSorter(graph).static_order())


@pytest.mark.parametrize("path", sorted((ROOT / "schemas").rglob("*.py")), ids=name_of)
def test_schemas_do_no_io(path: Path) -> None:
    assert not {name.partition(".")[0] for name in imports_of(path)} & IO_MODULES


def test_keys_are_built_in_one_module() -> None:
    built = re.compile(r"""["']ft:\{""")
    found = {name_of(path) for path in SOURCES if built.search(path.read_text(encoding="utf-8"))}
    assert found == {"schemas.keys"}


def test_the_lua_folder_is_read_by_one_module() -> None:
    # A folder of scripts is a literal of its own; a sentence that names a script is none.
    literal = re.compile(r"""["'](?:\.\./)?lua/?["']""")
    found = {name_of(path) for path in SOURCES if literal.search(path.read_text(encoding="utf-8"))}
    assert found == {"engine.scripts"}


@pytest.mark.parametrize("path", LUA, ids=lambda path: path.stem)
def test_a_script_opens_with_a_header_that_names_keys_arguments_and_answer(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    header = "\n".join(
        line for line in lines[: next(i for i, line in enumerate(lines) if not line.startswith("--"))]
    )
    assert re.fullmatch(r"[a-z]+_[a-z_]+-(\d+|n)", path.stem)
    for word in ("KEYS", "ARGV", "Returns"):
        assert re.search(rf"^-- {word}\b", header, re.MULTILINE), f"the header of {path.name} lacks {word}"


@pytest.mark.parametrize("path", LUA, ids=lambda path: path.stem)
def test_the_key_count_in_a_scripts_name_is_what_it_uses(path: Path) -> None:
    count = path.stem.rpartition("-")[2]
    used = {int(number) for number in re.findall(r"KEYS\[(\d+)\]", path.read_text(encoding="utf-8"))}
    if count != "n":
        assert used == set(range(1, int(count) + 1))


def test_no_tracked_file_names_a_package_index_or_a_persons_folder() -> None:
    # In parts, so that this file does not hold them itself.
    forbidden = re.compile(
        "|".join(
            ["pypi" + r"\.org", "pythonhosted" + r"\.org", "/home" + r"/[a-z]", "/Users" + "/", "/root" + "/"]
        )
    )
    found = []
    for path in tracked():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found += [f"{path.relative_to(ROOT)}: {match[0]}" for match in forbidden.finditer(text)]
    assert found == []


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock", "requirements-node.lock"])
def test_every_locked_package_has_hashes_and_none_names_where_to_fetch_it(name: str) -> None:
    entries = (ROOT / name).read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    assert entries
    for entry in entries:
        assert re.match(r"[a-z0-9.-]+==[0-9a-z.]+( ; [^;]+?)?(\s+--hash=sha256:[0-9a-f]{64})+\s*$", entry), (
            entry
        )


def test_the_locks_hold_no_stubs_that_hide_the_clients_own_types() -> None:
    for name in ("requirements.lock", "requirements-dev.lock"):
        assert "types-redis" not in (ROOT / name).read_text(encoding="utf-8")


def test_every_dependency_has_its_reason_in_the_docs() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    groups = [project["project"]["dependencies"], *project["dependency-groups"].values()]
    reasons = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    for requirement in (requirement for group in groups for requirement in group):
        name = re.split(r"[\[<>=]", requirement)[0]
        assert f"\n| {name} |" in reasons, f"docs/dependencies.md does not say why {name}"


def test_every_dependency_of_the_page_has_its_reason_in_the_docs() -> None:
    wanted = json.loads((ROOT / "web" / "ui" / "package.json").read_text(encoding="utf-8"))
    text = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    heads = re.findall(r"^\| ([^|]+) \|", text, re.MULTILINE)
    listed = {name for head in heads for name in re.split(r",\s*", head)}
    assert {*wanted["dependencies"], *wanted["devDependencies"]} - listed == set()

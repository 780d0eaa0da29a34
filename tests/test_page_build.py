"""The page's way into a wheel: what it is built from, with which Node, and that a wheel has it and no more."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from web.page import BUILT, BuiltPage

ROOT = Path(__file__).parents[1]
UI = ROOT / "web" / "ui"


@pytest.fixture
def script() -> ModuleType:
    """scripts/page.py, which is no module of a package."""
    spec = importlib.util.spec_from_file_location("page_script", ROOT / "scripts" / "page.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def ui(script: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder like web/ui, in which the script works; its npm does nothing but note how it was called."""
    for name, text in {
        "package.json": "{}",
        "package-lock.json": "{}",
        "src/main.tsx": "main",
        "src/filter/text.ts": "text",
        "src/filter/text.test.ts": "test",
        "node_modules/a/index.js": "module",
        "dist/index.html": "page",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    paths = {
        "UI": tmp_path,
        "BUILT_OF": tmp_path / "dist" / ".sources",
        "INSTALLED_OF": tmp_path / "node_modules" / ".installed",
    }
    for name, path in paths.items():
        monkeypatch.setattr(script, name, path)
    called = tmp_path / "node_modules" / "called"
    npm = [
        sys.executable,
        "-c",
        f"import sys; open({str(called)!r}, 'a').write(' '.join(sys.argv[1:]) + chr(10))",
    ]
    monkeypatch.setattr(script, "find_node", lambda: (Path(sys.executable), npm))
    return tmp_path


def calls(ui: Path) -> list[str]:
    """The first word of each call of npm since the last look."""
    called = ui / "node_modules" / "called"
    lines = called.read_text(encoding="utf-8").splitlines() if called.exists() else []
    called.unlink(missing_ok=True)
    return [line.split()[0] for line in lines]


def test_the_page_is_built_once_and_again_when_a_source_changes(script: ModuleType, ui: Path) -> None:
    script.main([])
    assert calls(ui) == ["ci", "run"]
    script.main([])
    assert calls(ui) == []
    (ui / "src" / "main.tsx").write_text("changed", encoding="utf-8")
    script.main([])
    assert calls(ui) == ["run"]
    (ui / "src" / "filter" / "text.ts").rename(ui / "src" / "words.ts")
    script.main([])
    assert calls(ui) == ["run"]
    (ui / "package-lock.json").write_text('{"a": 1}', encoding="utf-8")
    script.main([])
    assert calls(ui) == ["ci", "run"]


def test_neither_tests_nor_what_was_made_are_sources(script: ModuleType, ui: Path) -> None:
    script.main([])
    calls(ui)
    for name in ("src/filter/text.test.ts", "src/new.test.tsx", "node_modules/a/index.js", "dist/index.html"):
        (ui / name).write_text("changed", encoding="utf-8")
    script.main([])
    assert calls(ui) == []


def test_a_build_that_failed_is_tried_again(
    script: ModuleType, ui: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script.main([])
    (ui / "src" / "main.tsx").write_text("changed", encoding="utf-8")
    failing = [sys.executable, "-c", "raise SystemExit(1)"]
    working = script.find_node()
    monkeypatch.setattr(script, "find_node", lambda: (Path(sys.executable), failing))
    for _ in range(2):
        with pytest.raises(script.PageError, match=r"cannot be built.*flowtape up"):
            script.main([])
    calls(ui)
    monkeypatch.setattr(script, "find_node", lambda: working)
    script.main([])
    assert calls(ui) == ["run"]


def test_an_installation_that_was_broken_off_is_done_again_whatever_the_lock_says_then(
    script: ModuleType, ui: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script.main([])
    working = script.find_node()
    failing = [sys.executable, "-c", "raise SystemExit(1)"]
    (ui / "package-lock.json").write_text('{"a": 1}', encoding="utf-8")
    monkeypatch.setattr(script, "find_node", lambda: (Path(sys.executable), failing))
    with pytest.raises(script.PageError, match=r"cannot install.*flowtape up"):
        script.main([])
    calls(ui)
    monkeypatch.setattr(script, "find_node", lambda: working)
    (ui / "package-lock.json").write_text("{}", encoding="utf-8")
    with pytest.raises(SystemExit):
        script.main(["test"])
    assert calls(ui) == ["ci", "test"]


def test_two_at_one_time_build_the_page_once(
    script: ModuleType, ui: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    node, (python, option, program) = script.find_node()
    slow = [python, option, f"import time; time.sleep(0.5); {program}"]
    monkeypatch.setattr(script, "find_node", lambda: (node, slow))
    with ThreadPoolExecutor() as threads:
        for one in [threads.submit(script.main, []) for _ in range(2)]:
            one.result()
    assert calls(ui) == ["ci", "run"]
    assert "waiting" in capsys.readouterr().err


def test_ctrl_c_ends_it_without_a_traceback(tmp_path: Path) -> None:
    ui, programs = tmp_path / "web" / "ui", tmp_path / "bin"
    for folder in (ui, programs, tmp_path / "scripts"):
        folder.mkdir(parents=True)
    for name in ("package.json", "package-lock.json"):
        (ui / name).write_text("{}", encoding="utf-8")
    shutil.copy(ROOT / "scripts" / "page.py", tmp_path / "scripts")
    for name, does in {"node": "echo v22.12.0", "npm": "echo begun >&2; exec sleep 60"}.items():
        (programs / name).write_text(f"#!/bin/sh\n{does}\n", encoding="utf-8")
        (programs / name).chmod(0o755)
    with subprocess.Popen(
        [sys.executable, tmp_path / "scripts" / "page.py"],
        env={**os.environ, "PATH": os.pathsep.join((str(programs), os.environ["PATH"]))},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as building:
        assert building.stderr is not None
        for line in building.stderr:
            if line == "begun\n":
                break
        os.killpg(building.pid, signal.SIGINT)
        assert (building.stderr.read(), building.wait(20)) == ("", 130)


def test_words_are_npms_and_its_status_is_the_scripts(script: ModuleType, ui: Path) -> None:
    with pytest.raises(SystemExit) as caught:
        script.main(["run", "check"])
    assert caught.value.code == 0
    assert calls(ui) == ["ci", "run"]


@pytest.mark.parametrize(
    ("version", "does"),
    [
        ("v20.18.3", False),
        ("v20.19.0", True),
        ("v21.7.3", False),
        ("v22.11.0", False),
        ("v22.12.0", True),
        ("v24.19.0", True),
        ("v100.0.0", True),
        ("v18.20.4", False),
        ("", False),
        ("node: not found", False),
    ],
)
def test_which_node_vite_runs_on(script: ModuleType, version: str, does: bool) -> None:
    assert script.will_do(version) is does
    engines = json.loads((UI / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    assert engines["node_modules/vite"]["engines"]["node"] == "^20.19.0 || >=22.12.0"


def test_without_any_node_the_remedy_is_said(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(script.importlib.util, "find_spec", lambda _: None)
    monkeypatch.setattr(script, "NODE_LOCK", tmp_path / "no lock")
    with pytest.raises(script.PageError, match=r"Install Node 20\.19, or 22\.12 or newer"):
        script.find_node()


def test_the_pages_lock_names_every_systems_builds() -> None:
    """npm writes a lock without what a registry at hand lacks; `npm ci` would then fail everywhere else."""
    packages: dict[str, Any] = json.loads((UI / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    wanted = {
        f"node_modules/{name}": version
        for package in packages.values()
        for name, version in package.get("optionalDependencies", {}).items()
    }
    assert len(wanted) > 20
    assert set(wanted) <= set(packages)
    exact = {name: version for name, version in wanted.items() if version[0].isdigit()}
    assert {name: packages[name]["version"] for name in exact} == exact
    assert not [name for name, package in packages.items() if "resolved" in package]
    assert [name for name, package in packages.items() if "integrity" not in package] == [""]


def test_a_wheel_has_the_page_as_it_was_built_and_nothing_else_of_it(tmp_path: Path) -> None:
    made = subprocess.run(
        [
            sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-index", "--no-deps",
            "--no-build-isolation", "--wheel-dir", tmp_path, ROOT,
        ],
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert made.returncode == 0, made.stdout + made.stderr
    [wheel] = tmp_path.glob("flowtape-*.whl")
    with zipfile.ZipFile(wheel) as opened:
        names = set(opened.namelist())
        opened.extractall(tmp_path / "installed")
    page = {name for name in names if name.startswith("web/ui/")}
    assert page == {path.relative_to(ROOT).as_posix() for path in BUILT.rglob("*") if path.is_file()}
    assert {Path(name).suffix for name in page} >= {".html", ".js", ".css", ".br", ".gz"}
    assert {"web/page.py", "engine/cli.py", "schemas/trade.py"} <= names
    assert not [name for name in names if name.startswith(("scripts/", "tests/"))]
    [licences] = [name for name in page if name.endswith(".txt")]
    said = (tmp_path / "installed" / licences).read_text(encoding="utf-8")
    for package in ("ag-grid-community", "preact", "uplot", "@codemirror/view", "@msgpack/msgpack"):
        assert f"{package} " in said
    assert said.count("Permission is hereby granted") > 5
    BuiltPage(tmp_path / "installed" / "web" / "ui" / "dist")

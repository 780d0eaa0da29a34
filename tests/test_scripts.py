"""The start scripts: what they say on a machine that lacks something, and that a second run does nothing twice."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

PYTHON = """#!/bin/sh
# Stands in for python3: {what}
echo "$0 $*" >>"{log}"
case "$*" in
    -c*) exit {old} ;;
    --version) echo "Python 3.9.2" ;;
    "-m venv .venv") {venv} ;;
esac
"""

# The interpreter of a made environment is the stand-in too, so that its pip installs nothing.
MAKES_VENV = 'mkdir -p .venv/bin && cp "$0" .venv/bin/python && cp ../flowtape .venv/bin/flowtape'


class Machine:
    """A clone of the scripts on a machine whose only Python is a stand-in."""

    def __init__(self, folder: Path) -> None:
        self.clone = folder / "clone"
        self.bin = folder / "bin"
        self.log = folder / "log"
        self.bin.mkdir()
        shutil.copytree(ROOT / "scripts", self.clone / "scripts")
        (folder / "flowtape").write_text('#!/bin/sh\necho "ran $*"\n')
        (folder / "flowtape").chmod(0o755)
        for name in ("requirements.lock", "requirements-dev.lock", "pyproject.toml"):
            shutil.copy(ROOT / name, self.clone)
        for name in ("dirname", "rm", "cat", "cmp", "mkdir", "cp", "chmod", "sh", "pwd", "printf"):
            found = shutil.which(name)
            if found:
                (self.bin / name).symlink_to(found)

    def python(self, what: str, *, old: int = 0, venv: str = MAKES_VENV) -> None:
        """Put a python3 on it."""
        path = self.bin / "python3"
        path.write_text(PYTHON.format(what=what, log=self.log, old=old, venv=venv))
        path.chmod(0o755)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Start scripts/run there."""
        return subprocess.run(
            [self.clone / "scripts" / "run", *arguments],
            env={**os.environ, "PATH": str(self.bin)},
            capture_output=True,
            text=True,
            check=False,
        )

    def calls(self) -> list[str]:
        """What its Python was called with, forgotten afterwards."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        self.log.unlink(missing_ok=True)
        return lines


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_an_old_python_is_named_with_what_is_needed(machine: Machine) -> None:
    machine.python("too old", old=1)
    result = machine.run()
    assert result.returncode == 1
    assert "needs Python 3.11 or newer; found: Python 3.9.2" in result.stderr
    assert "apt-get install" in result.stderr


def test_a_python_that_cannot_make_environments_is_told_what_to_install(machine: Machine) -> None:
    machine.python("lacks ensurepip", venv="mkdir .venv; echo 'ensurepip is not available'; exit 1")
    result = machine.run()
    assert result.returncode == 1
    assert "ensurepip is not available" in result.stderr
    assert "apt-get install python3-venv" in result.stderr
    assert not (machine.clone / ".venv").exists()


def test_it_installs_with_hashes_and_without_asking_for_dependencies_then_starts(machine: Machine) -> None:
    machine.python("works")
    result = machine.run("--rate", "500")
    assert result.returncode == 0, result.stderr
    assert result.stdout == "ran up --rate 500\n"
    installs = [call for call in machine.calls() if " install " in call]
    assert "--no-deps --require-hashes -r requirements.lock" in installs[0]
    assert "--no-deps --no-build-isolation --editable ." in installs[1]


def test_a_second_run_installs_nothing_and_only_looks_whether_the_page_is_built(machine: Machine) -> None:
    machine.python("works")
    machine.run()
    machine.calls()
    assert machine.run().returncode == 0
    assert [call.split()[1:] for call in machine.calls()] == [["scripts/page.py"]]


@pytest.mark.parametrize("name", ["requirements.lock", "pyproject.toml"])
def test_a_changed_lock_or_project_is_installed_again(machine: Machine, name: str) -> None:
    machine.python("works")
    machine.run()
    machine.calls()
    with (machine.clone / name).open("a") as file:
        file.write("# changed\n")
    machine.run()
    assert any(" install " in call for call in machine.calls())


def test_an_install_that_failed_is_tried_again(machine: Machine) -> None:
    machine.python("fails to install", venv=MAKES_VENV)
    broken = (
        (machine.bin / "python3")
        .read_text()
        .replace("case", 'case "$*" in *" install "*) exit 1 ;; esac\ncase', 1)
    )
    (machine.bin / "python3").write_text(broken)
    assert machine.run().returncode != 0
    shutil.rmtree(machine.clone / ".venv")
    machine.python("works")
    assert machine.run().returncode == 0


@pytest.mark.parametrize("name", ["run", "test", "bench", "docs", "lock", "../.ci/run"])
def test_a_script_can_be_started_and_is_valid_shell(name: str) -> None:
    path = ROOT / "scripts" / name
    assert os.access(path, os.X_OK)
    shell = path.read_text(encoding="utf-8").splitlines()[0].removeprefix("#!")
    assert subprocess.run([shell, "-n", path], check=False).returncode == 0

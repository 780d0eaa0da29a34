"""The command line as a person meets it: help, version, errors in one line, exit statuses."""

from __future__ import annotations

import inspect
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from redis.exceptions import BusyLoadingError, OutOfMemoryError, RedisError
from redis.exceptions import ConnectionError as RedisConnectionError

from engine import __version__
from engine.cli import VERBS, explained, load
from schemas.errors import FeedError, SettingsError

ROOT = Path(__file__).parents[1]


def flowtape(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "engine.cli", *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("arguments", [(), ("--help",), ("-h",)])
def test_help_names_every_verb(arguments: tuple[str, ...]) -> None:
    result = flowtape(*arguments)
    assert result.returncode == 0
    for verb in VERBS:
        assert f" {verb} " in result.stdout


def test_the_version_is_the_projects(tmp_path: Path) -> None:
    result = flowtape("--version")
    assert (result.returncode, result.stdout) == (0, f"flowtape {__version__}\n")


def test_help_imports_neither_redis_nor_numpy() -> None:
    program = (
        "import sys\nfrom engine.cli import main\ntry:\n    main(['--help'])\nfinally:\n"
        "    print([name for name in ('redis', 'redis_om', 'numpy', 'pydantic_settings') if name in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert result.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_is_a_module_with_a_function_and_help(verb: str) -> None:
    assert inspect.getdoc(load(verb))


def test_an_unknown_verb_ends_with_2() -> None:
    result = flowtape("nope")
    assert result.returncode == 2
    assert "nope" in result.stderr


def test_a_wrong_setting_is_one_line_without_a_traceback() -> None:
    result = flowtape("doctor", FLOWTAPE_PARTITIONS="many")
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("flowtape: Setting partitions:")
    assert "'many'" in result.stderr


def test_a_redis_that_nobody_runs_is_one_line_without_a_traceback(tmp_path: Path) -> None:
    result = flowtape("doctor", FLOWTAPE_REDIS_URL=f"unix://{tmp_path}/redis.sock")
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith(f"flowtape: No Redis answers at unix://{tmp_path}/redis.sock")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_command_quietly_and_unwinds_it(number: signal.Signals, status: int) -> None:
    program = (
        "import signal, sys, types\nimport engine.cli as cli\n"
        "def doctor() -> None:\n    try:\n        print('ready', flush=True)\n        signal.pause()\n"
        "    finally:\n        print('unwound', flush=True)\n"
        "sys.modules['engine.commands.doctor'] = types.SimpleNamespace(doctor=doctor)\ncli.main(['doctor'])"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        output, errors = process.communicate()
    assert (process.returncode, output, errors) == (status, "unwound\n", "")


def test_output_that_nobody_reads_any_more_ends_quietly() -> None:
    program = (
        "import sys, types\nimport engine.cli as cli\n"
        "def doctor() -> None:\n    while True:\n        print('line' * 1000)\n"
        "sys.modules['engine.commands.doctor'] = types.SimpleNamespace(doctor=doctor)\ncli.main(['doctor'])"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.read(10)
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == ""


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (SettingsError("This is wrong.", "Do that."), "This is wrong. Do that."),
        (ExceptionGroup("tasks", [FeedError("The feed is gone.")]), "The feed is gone."),
        (BusyLoadingError(), "Redis still reads its data."),
        (OutOfMemoryError(), "Redis is out of memory"),
        (RedisConnectionError("Connection closed by server"), "Redis went away: Connection closed by server"),
        (RedisError("odd"), "Redis refused a command: odd"),
        (
            FileNotFoundError(2, "No such file or directory", "prints.csv"),
            "prints.csv: No such file or directory.",
        ),
    ],
)
def test_known_errors_become_sentences(error: Exception, sentence: str) -> None:
    known = explained(error)
    assert known is not None
    assert str(known).startswith(sentence)
    assert known.exit_status


def test_a_mistake_in_the_program_keeps_its_traceback() -> None:
    assert explained(TypeError("a mistake")) is None

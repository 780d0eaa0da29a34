"""Fixtures that all tests share: a real Redis Stack for each worker, settings naming it, recorded data."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NoReturn

import pytest
import redis
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from engine.settings import CONFIG_VARIABLE, Settings
from engine.store.connect import connect
from engine.store.embedded import temporary_server
from engine.store.redis_stack import default_cache, stack_folder
from schemas.errors import RedisSetupError

hypothesis_settings.register_profile(
    "default", max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
hypothesis_settings.register_profile("long", hypothesis_settings.get_profile("default"), max_examples=2_000)

pytest_plugins = ["tests.browser"]

RECORDED = Path(__file__).parents[2] / "shared" / "data"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--page", help="folder of the built page that is tested; web/ui/dist where it is left out"
    )
    parser.addoption(
        "--long", action="store_true", help="run the tests marked long too, and more examples of each"
    )


def pytest_configure(config: pytest.Config) -> None:
    hypothesis_settings.load_profile("long" if config.getoption("--long") else "default")
    # The tests decide by fixtures, not by what this machine has set.
    for name in [
        name for name in os.environ if name.startswith("FLOWTAPE_") and name != "FLOWTAPE_CACHE_DIR"
    ]:
        del os.environ[name]
    os.environ.pop(CONFIG_VARIABLE, None)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--long"):
        for item in items:
            if item.get_closest_marker("long"):
                item.add_marker(pytest.mark.skip(reason="takes minutes; run with --long"))


def without_redis(error: RedisSetupError) -> NoReturn:
    """Fail under CI, skip elsewhere."""
    if "CI" in os.environ:
        pytest.fail(f"CI needs a real Redis. {error}", pytrace=False)
    pytest.skip(str(error))


@pytest.fixture(scope="session")
def stack() -> Path:
    """The folder of the unpacked Redis Stack."""
    try:
        return stack_folder(Settings.load().cache_dir or default_cache())
    except RedisSetupError as error:
        without_redis(error)


@pytest.fixture(scope="session")
def redis_url(stack: Path) -> Iterator[str]:
    """A Redis Stack without persistence, for this worker alone; the ones that killed workers left are stopped."""
    with ExitStack() as opened:
        try:
            server = opened.enter_context(temporary_server(stack))
        except RedisSetupError as error:
            without_redis(error)
        yield server.url


@pytest.fixture
def settings(redis_url: str) -> Settings:
    """Settings of the worker's Redis, whose database was just emptied; loaded scripts stay."""
    settings = Settings.load(redis_url=redis_url)
    client = connect(settings)
    client.flushall()
    client.close()
    return settings


@pytest.fixture
def client(settings: Settings) -> Iterator[redis.Redis]:
    """A client of the worker's emptied Redis."""
    client = connect(settings)
    yield client
    client.close()


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of recorded market data, which is not part of the repository."""
    if not RECORDED.is_dir():
        pytest.skip(f"no recorded market data in {RECORDED}")
    return RECORDED

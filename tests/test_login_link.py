"""The link of `up`: for this machine's user, and always one that is still good."""

from __future__ import annotations

import asyncio
import time
from urllib.parse import parse_qs, urlsplit

import pytest
import redis

from engine.access.login_link import RENEW_S, LoginLink, login_name
from engine.access.tickets import TICKET_S, redeem
from engine.access.tokens import Access, Identity
from engine.settings import Settings
from engine.store.connect import connect_async
from schemas.errors import AccessError
from tests.http_gateway import SECRET


def use(settings: Settings, link: LoginLink) -> Identity:
    """Whose the link's ticket is, which is used up then."""

    async def scenario() -> Identity:
        client = connect_async(settings)
        try:
            (ticket,) = parse_qs(urlsplit(link.url).query)["ticket"]
            return await redeem(Access(settings, SECRET), client, ticket)
        finally:
            await client.aclose()

    return asyncio.run(scenario())


def test_a_used_link_gives_way_to_one_that_is_good(settings: Settings, client: redis.Redis) -> None:
    link = LoginLink(settings.model_copy(update={"port": 8_123}), SECRET, "ann")
    assert link.url.startswith("http://127.0.0.1:8123/?ticket=")
    assert not client.exists(link.ticket_key)
    assert not link.renew(False, time.time())
    identity = use(settings, link)
    assert (identity.user, identity.tier.name) == ("ann", "premium")
    assert client.exists(link.ticket_key)
    with pytest.raises(AccessError, match="has been used"):
        use(settings, link)
    first = link.url
    assert link.renew(True, time.time())
    assert link.url != first
    assert not client.exists(link.ticket_key)
    assert use(settings, link).user == "ann"


def test_a_link_that_nears_its_end_gives_way_to_a_fresh_one(settings: Settings) -> None:
    began = time.time()
    link = LoginLink(settings, SECRET, "ann")
    assert not link.renew(False, began + TICKET_S - RENEW_S - 2)
    assert link.renew(False, began + TICKET_S - RENEW_S + 2)


def test_a_key_set_beside_the_secret_is_not_opened(settings: Settings) -> None:
    both = settings.model_copy(update={"jwks_url": "https://id.example.com/jwks.json"})
    assert use(settings, LoginLink(both, SECRET, "ann")).user == "ann"


@pytest.mark.parametrize("name", ["", "a" * 200, "a\nb"])
def test_a_login_name_that_is_none_becomes_a_number(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    for variable in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(variable, name)
    if name:
        assert login_name().startswith("uid ")
    else:
        assert login_name()

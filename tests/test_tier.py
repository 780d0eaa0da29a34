"""Tiers: how far behind the clock each is shown trades."""

from __future__ import annotations

from dataclasses import replace

from schemas.tier import TIERS


def test_a_delayed_tier_is_shown_what_is_older_than_its_delay_and_others_everything() -> None:
    now = 1_700_000_000_000
    assert {name: tier.until(now) for name, tier in TIERS.items()} == {
        "free": now - 900_000,
        "pro": None,
        "premium": None,
    }
    assert replace(TIERS["premium"], delay_s=1).until(now) == now - 1_000

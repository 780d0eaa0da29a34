"""The page about access names each limit with the value that the code has."""

from __future__ import annotations

import re
from pathlib import Path

from engine.access import connections, key_set, rates, secret, tickets, tokens
from engine.settings import Settings
from schemas import messages
from web import access

PAGE = (Path(__file__).parents[1] / "docs" / "access.md").read_text(encoding="utf-8")
SECONDS = {"s": 1, "h": 3_600, "ms": 1, "": 1}


def limits() -> list[tuple[str, float]]:
    table = PAGE.partition("\n## Limits\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| [^|]+ \| `(\w+)` \| ([\d,]+) ?(\w*) \|$", table, re.MULTILINE)
    return [(name, int(number.replace(",", "")) * SECONDS[unit]) for name, number, unit in rows]


def test_every_limit_on_the_page_has_its_value() -> None:
    settings = Settings.load()
    for name, value in limits():
        if name.startswith("FLOWTAPE_"):
            assert getattr(settings, name.removeprefix("FLOWTAPE_").lower()) == value, name
            continue
        places = (connections, key_set, rates, secret, tickets, tokens, messages, access)
        assert value in {getattr(place, name) for place in places if hasattr(place, name)}, name


def test_every_bound_of_the_code_is_on_the_page() -> None:
    bound = r"^([A-Z][A-Z_]+)(?:: Final)? = [\d_.]+(?: \* [\d_]+)?$"
    root = Path(__file__).parents[1]
    sources = [*sorted((root / "engine" / "access").glob("*.py")), root / "web" / "access.py"]
    named = {
        name for path in sources for name in re.findall(bound, path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    public = {name for name in named if not name.startswith("_")} - {"LATEST_EXPIRY", "RENEW_USERS"}
    assert public <= {name for name, _ in limits()}
    assert len(public) > 10


def test_every_accepted_signature_is_on_the_page() -> None:
    for algorithm in key_set.ALGORITHMS:
        assert re.search(rf"\b{algorithm}\b", PAGE)

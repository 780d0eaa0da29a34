"""How each vendor spells a contract, both ways; the formats are the vendors' own documents' (docs/feeds.md).

Every reader raises ContractError. A writer's text read again is the same contract.
"""

from __future__ import annotations

from datetime import date

from schemas.contract import Contract, make_contract, parse_osi
from schemas.errors import ContractError

MASSIVE_PREFIX = "O:"


def from_massive(text: str) -> Contract:
    """`O:SPY261218C00600000`."""
    if not text.startswith(MASSIVE_PREFIX):
        raise ContractError(f"{text[:40]!r} is not Massive's spelling of an option.", "It begins with O:.")
    return parse_osi(text[len(MASSIVE_PREFIX) :])


def to_massive(contract: Contract) -> str:
    """`O:SPY261218C00600000`."""
    return MASSIVE_PREFIX + contract.symbol


def from_databento(text: str) -> Contract:
    """The padded OSI form, `SPY   261218C00600000`."""
    return parse_osi(text)


def to_databento(contract: Contract) -> str:
    """The padded OSI form, `SPY   261218C00600000`."""
    return contract.padded


def from_theta(root: str, expiration: int, strike: int, right: str) -> Contract:
    """Theta Data's parts: `expiration` yyyymmdd, `strike` in thousandths of a dollar, `right` `C` or `P`."""
    return make_contract(root, expiration, right, strike / 1000)


def to_theta(contract: Contract) -> dict[str, str | int]:
    """Theta Data's `contract` object."""
    return {
        "security_type": "OPTION",
        "root": contract.root,
        "expiration": contract.expiry,
        "strike": round(contract.strike * 1000),
        "right": contract.right,
    }


def from_cboe(root: str, expiration: str, strike: str, option_type: str) -> Contract:
    """Cboe DataShop's columns: `expiration` `2016-06-08`, `strike` `12.500`, `option_type` `C` or `P` (any case)."""
    try:
        day, dollars = date.fromisoformat(expiration), float(strike)
    except ValueError:
        raise ContractError(f"{expiration!r} or {strike!r} is not an expiration date and a strike.") from None
    return make_contract(root, day.year * 10_000 + day.month * 100 + day.day, option_type.upper(), dollars)


def to_cboe(contract: Contract) -> tuple[str, str, str, str]:
    """Cboe DataShop's columns root, expiration, strike and option type."""
    return contract.root, contract.expiry_date.isoformat(), f"{contract.strike:.3f}", contract.right


_LEAN_RIGHTS = {"call": "C", "put": "P"}


def from_lean(entry: str) -> Contract:
    """The name of an entry of a Lean zip: `20140606_aapl_minute_trade_american_call_6450000_20140606.csv`."""
    parts = entry.removesuffix(".csv").split("_")
    try:
        _, root, _, _, _, right, strike, expiry = parts
        return make_contract(root, int(expiry), _LEAN_RIGHTS[right], int(strike) / 10_000)
    except (ValueError, KeyError):
        raise ContractError(
            f"{entry[:80]!r} is not the name of a Lean option file.",
            "Expected <date>_<ticker>_minute_<kind>_<style>_<call|put>_<strike x 10000>_<expiry>.csv.",
        ) from None


def to_lean(contract: Contract, day: date, kind: str, style: str = "american") -> str:
    """The name of an entry of a Lean zip for one day and kind (`trade`, `quote`, `openinterest`)."""
    right = "call" if contract.right == "C" else "put"
    strike = round(contract.strike * 10_000)
    return (
        f"{day:%Y%m%d}_{contract.root.lower()}_minute_{kind}_{style}_{right}_{strike}_{contract.expiry}.csv"
    )


# Alpaca, Tradier and Unusual Whales write the OSI symbol without padding, as Flowtape does: `parse_osi` reads
# it, `Contract.symbol` is it.

"""An option contract and its OSI symbol.

The OSI symbol is root (1 to 6 characters), expiry `yymmdd`, right `C` or `P`, and the strike in thousandths of
a dollar as eight digits (Options Symbology Initiative, 2010). Flowtape writes it without the padding that the
21-character form puts after the root: `SPY261218C00600000`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

from schemas.errors import ContractError

STANDARD_MULTIPLIER = 100
"""Shares a contract of listed US options; an adjusted contract keeps it in the price that is printed."""

CONTRACT_CACHE = 262_144
"""Parsed symbols kept; a busy day trades some 200,000 contracts."""

INDEX_ROOTS: dict[str, str] = {
    "SPXW": "SPX",
    "SPXPM": "SPX",
    "SPXQ": "SPX",
    "VIXW": "VIX",
    "NDXP": "NDX",
    "NQXP": "NQX",
    "RUTW": "RUT",
    "RUTQ": "RUT",
    "XSPW": "XSP",
    "XSPAM": "XSP",
    "MRUTW": "MRUT",
    "DJXW": "DJX",
    "OEXW": "OEX",
    "XEOW": "XEO",
    "NANOSW": "NANOS",
    "MXEAW": "MXEA",
    "MXEFW": "MXEF",
}
"""Roots of index options whose name is not the index's own: weekly, PM-settled and quarterly classes."""

_OSI = re.compile(r"(?P<root>[A-Z0-9]{1,6}) *(?P<expiry>[0-9]{6})(?P<right>[CP])(?P<strike>[0-9]{8})\Z")


@dataclass(frozen=True, slots=True)
class Contract:
    """One option contract. `expiry` is yyyymmdd as an integer, `strike` dollars per share."""

    root: str
    underlying: str
    expiry: int
    right: str
    strike: float
    symbol: str
    adjusted: bool
    """The root ends in a digit: its deliverable is not the standard hundred shares."""
    multiplier: int = STANDARD_MULTIPLIER

    @property
    def padded(self) -> str:
        """The 21-character OSI form: the root padded with spaces to six characters."""
        return f"{self.root:<6}{self.symbol[len(self.root) :]}"

    @property
    def expiry_date(self) -> date:
        """The expiry as a date."""
        return date(self.expiry // 10_000, self.expiry // 100 % 100, self.expiry % 100)


def underlying_of(root: str) -> str:
    """The underlying's ticker of an option root.

    Index classes go by the table; an adjusted root (`AAPL1`) and a FLEX root (`1SPX`) lose their digit.
    """
    bare = root.strip("0123456789") or root
    return INDEX_ROOTS.get(bare, bare)


def ticker(text: str) -> str:
    """A ticker as Flowtape writes it: upper case, without index marks (`^VIX`, `$VIX`, `I:VIX`), dots or slashes."""
    bare = text.strip().upper().removeprefix("I:").lstrip("^$")
    return bare.replace(".", "").replace("/", "")


def make_contract(root: str, expiry: int, right: str, strike: float) -> Contract:
    """A contract from its parts: `expiry` yyyymmdd, `right` `C` or `P`, `strike` dollars.

    Raises ContractError where a part is out of range or the strike is no whole thousandth of a dollar.
    """
    if not 20_000_000 <= expiry < 21_000_000:
        raise ContractError(f"expiry {expiry!r} is no yyyymmdd of the years 2000 to 2099.")
    if not 0 < strike < 100_000:
        raise ContractError(f"strike {strike!r} is not above 0 and below 100,000 dollars.")
    thousandths = round(strike * 1000)
    if abs(strike * 1000 - thousandths) > 1e-6:
        raise ContractError(f"strike {strike!r} is not a whole number of thousandths of a dollar.")
    return parse_osi(f"{ticker(root)}{expiry % 1_000_000:06d}{right}{thousandths:08d}")


@lru_cache(maxsize=CONTRACT_CACHE)
def parse_osi(text: str) -> Contract:
    """The contract of an OSI symbol, padded or not. Raises ContractError."""
    match = _OSI.match(text)
    if match is None:
        raise ContractError(
            f"{text[:40]!r} is not an OSI symbol.",
            "Expected root, yymmdd, C or P and eight digits of strike.",
        )
    root, yymmdd, right = match["root"], int(match["expiry"]), match["right"]
    expiry = 20_000_000 + yymmdd
    try:
        date(expiry // 10_000, expiry // 100 % 100, expiry % 100)
    except ValueError:
        raise ContractError(
            f"{text!r} has the expiry {match['expiry']}, which is no date (yymmdd)."
        ) from None
    thousandths = int(match["strike"])
    if thousandths == 0:
        raise ContractError(f"{text!r} has a strike of zero.")
    underlying = underlying_of(root)
    return Contract(
        root=root,
        underlying=underlying,
        expiry=expiry,
        right=right,
        # A whole strike is kept an integer: it is half as large in a document.
        strike=thousandths // 1000 if thousandths % 1000 == 0 else thousandths / 1000,
        symbol=f"{root}{yymmdd:06d}{right}{thousandths:08d}",
        adjusted=root[-1].isdigit(),
    )

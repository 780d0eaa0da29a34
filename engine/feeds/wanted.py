"""What the setting `symbols` asks a feed for that can send all trades: contracts, underlyings, or everything."""

from __future__ import annotations

from dataclasses import dataclass

from schemas.contract import Contract, parse_osi, ticker
from schemas.errors import ContractError, SettingsError
from schemas.spelling import MASSIVE_PREFIX


@dataclass(frozen=True, slots=True)
class Wanted:
    """Both empty: everything."""

    contracts: tuple[Contract, ...] = ()
    """Their quotes are wanted too."""
    underlyings: frozenset[str] = frozenset()

    @property
    def all_trades(self) -> bool:
        """Whether all trades must be subscribed to: no vendor lets one name an underlying."""
        return bool(self.underlyings) or not self.contracts

    @property
    def only(self) -> frozenset[str]:
        """Underlyings whose prints are kept; empty keeps all."""
        if not self.underlyings:
            return frozenset()
        return self.underlyings | {contract.underlying for contract in self.contracts}


def wanted(symbols: tuple[str, ...], vendor: str, quoted_contracts: int) -> Wanted:
    """Split symbols: contracts in OSI form (or with `O:`), anything else a ticker.

    Raises SettingsError where there are more contracts than `vendor` gives quotes of.
    """
    contracts: list[Contract] = []
    underlyings: set[str] = set()
    for symbol in symbols:
        try:
            contracts.append(parse_osi(symbol.upper().removeprefix(MASSIVE_PREFIX)))
        except ContractError:
            underlyings.add(ticker(symbol))
    if len(contracts) > quoted_contracts:
        raise SettingsError(
            f"FLOWTAPE_SYMBOLS names {len(contracts)} contracts, and {vendor} gives quotes of {quoted_contracts}.",
            "Name fewer, or their underlyings.",
        )
    return Wanted(tuple(contracts), frozenset(underlyings))

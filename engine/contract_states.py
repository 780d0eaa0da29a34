"""The contract states that an indexer keeps in memory, loaded from their hashes when first needed."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence

from engine.classify import ContractState
from schemas.trade import Trade


class ContractStates:
    """States by symbol, at most `limit`; the one longest unused gives way, since Redis has it too."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._states: OrderedDict[str, ContractState] = OrderedDict()
        self._recent: dict[str, tuple[Trade, ...]] = {}

    def reset(self, recent: Mapping[str, tuple[Trade, ...]]) -> None:
        """Forget all; `recent` are the last moments of contracts, to be joined to what is loaded."""
        self._states.clear()
        self._recent = dict(recent)

    def missing(self, symbols: Iterable[str]) -> list[str]:
        """Which of these are to be loaded, each once."""
        return [symbol for symbol in dict.fromkeys(symbols) if symbol not in self._states]

    def load(self, symbol: str, fields: Sequence[bytes | None]) -> None:
        """Take over the fields date, volume and open_interest of a contract's hash. Raises ValueError."""
        date, volume, interest = fields
        self._states[symbol] = ContractState(
            int(date or 0),
            int(volume or 0),
            None if interest is None else int(interest),
            self._recent.pop(symbol, ()),
        )
        while len(self._states) > self._limit:
            self._states.popitem(last=False)

    def __getitem__(self, symbol: str) -> ContractState:
        self._states.move_to_end(symbol)
        return self._states[symbol]

    def __setitem__(self, symbol: str, state: ContractState) -> None:
        self._states[symbol] = state

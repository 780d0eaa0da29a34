"""Databento live: its raw gateway over TCP, a few lines of text and then DBN records.

Source: Databento's documents of the raw live API: authentication, subscription, intraday replay and recovery
(docs/feeds.md). The records are read as in a file (databento_records.py).
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from typing import Self
from urllib.parse import urlsplit

import databento_dbn as dbn

from engine.feeds.databento_records import FEED_NAME, RecordReader
from engine.feeds.databento_stream import LIVE_METADATA_BYTES, RecordStream
from engine.feeds.decoder import reject
from engine.feeds.live import Frame, LiveFeed
from engine.settings import Settings
from schemas.contract import parse_osi, ticker
from schemas.errors import ContractError, FeedError, FeedRefusedError, SettingsError
from schemas.print import Event

DATASET = "OPRA.PILLAR"
CHUNK_BYTES = 256 * 1024
"""Bytes read at once."""
SYMBOLS_A_LINE = 500
"""Symbols of one subscription line."""
OVERLAP_NS = 1_000_000_000
"""How far before the newest print a replay begins: exchanges' records come a little out of order."""
REPLAY_NS = 23 * 3_600 * 1_000_000_000
"""Oldest start that is asked for; Databento replays 24 hours."""

_KEY_TAIL = 5
_LONGEST_LINE = 64 * 1024
_FATAL = {dbn.ErrorCode.AUTH_FAILED, dbn.ErrorCode.API_KEY_DEACTIVATED, dbn.ErrorCode.INVALID_SUBSCRIPTION}
_ENDING = {dbn.ErrorCode.INTERNAL_ERROR, dbn.ErrorCode.CONNECTION_LIMIT_EXCEEDED}


class DatabentoDecoder:
    """Decodes the bytes that follow `start_session`, in pieces of any size.

    `failure` is what the gateway told, or what ended the stream; the events before it are whole.
    """

    def __init__(self, quotes: int) -> None:
        self._stream = RecordStream(LIVE_METADATA_BYTES)
        self.reader = RecordReader(quotes)
        self.failure: FeedError | None = None

    @property
    def pending(self) -> int:
        """Bytes of a record that is not whole yet."""
        return self._stream.pending

    def connected(self) -> None:
        """A new session begins, with its own metadata; names stay."""
        self._stream = RecordStream(LIVE_METADATA_BYTES)
        self.reader.restart()
        self.failure = None

    def decode(self, frame: Frame, received: int) -> list[Event]:
        """The events of some bytes."""
        data = frame.encode("utf-8", "surrogatepass") if isinstance(frame, str) else bytes(frame)
        events: list[Event] = []
        for item in self._stream.write(data):
            event = self._told(item) if isinstance(item, dbn.ErrorMsg) else self.reader.read(item, received)
            if event is not None:
                events.append(event)
        if self._stream.broken and self.failure is None:
            self.failure = FeedError("Databento's stream cannot be followed any further.")
        return events

    def _told(self, record: dbn.ErrorMsg) -> Event | None:
        """What an error record says: an end, or something that was left out, which is worth a reject."""
        try:
            said = f"Databento says: {record.err[:300]}"
        except dbn.DBNError as error:
            return reject(FEED_NAME, f"An error record cannot be read: {error}.", bytes(record))
        if record.code in _FATAL:
            self.failure = FeedRefusedError(said, "Check the key, the plan and the subscription.")
        elif record.code in _ENDING:
            self.failure = FeedError(said)
        else:
            return reject(FEED_NAME, said, bytes(record))
        return None


def sign(challenge: str, key: str) -> str:
    """The answer to the gateway's challenge: the key itself is never sent, only its last five characters."""
    digest = hashlib.sha256(f"{challenge}|{key}".encode()).hexdigest()
    return f"{digest}-{key[-_KEY_TAIL:]}"


def fields_of(line: str) -> dict[str, str]:
    """The fields of a control line, `name=value|name=value`."""
    return {name: value for name, _, value in (part.partition("=") for part in line.strip().split("|"))}


def subscriptions(schema: str, symbols: tuple[str, ...], start_ns: int | None) -> list[str]:
    """The lines that subscribe to a schema: contracts by their names, tickers with all of their contracts.

    No symbols are all symbols. `start_ns` asks for what was published since, unix ns.
    """
    kinds: dict[str, list[str]] = {"raw_symbol": [], "parent": []}
    for symbol in symbols:
        try:
            kinds["raw_symbol"].append(parse_osi(symbol.upper()).padded)
        except ContractError:
            kinds["parent"].append(f"{ticker(symbol)}.OPT")
    if not symbols:
        kinds["raw_symbol"].append("ALL_SYMBOLS")
    start = "" if start_ns is None else f"|start={start_ns}"
    lines = []
    for kind, names in kinds.items():
        for first in range(0, len(names), SYMBOLS_A_LINE):
            part = names[first : first + SYMBOLS_A_LINE]
            last = int(first + SYMBOLS_A_LINE >= len(names))
            lines.append(f"schema={schema}|stype_in={kind}|symbols={','.join(part)}{start}|is_last={last}\n")
    return lines


class DatabentoSession:
    """Greets, answers the challenge, subscribes and starts the session; its `receive` decodes by itself.

    After a lost connection the replay begins shortly before the newest print: what is redelivered has the same
    id and is dropped. The first connection asks for no replay.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        parts = urlsplit(settings.databento_url)
        try:
            host, port = parts.hostname, parts.port
        except ValueError:
            host, port = None, None
        if parts.scheme != "tcp" or not host or not port:
            raise SettingsError(
                f"Setting databento_url: {settings.databento_url!r} is no tcp://host:port.",
                "Unset it to use Databento's own gateway.",
            )
        self._host, self._port = host, port
        self._decoder = DatabentoDecoder(settings.quote_cache)
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def __aenter__(self) -> Self:
        try:
            self._reader, self._writer = await asyncio.open_connection(
                self._host, self._port, limit=_LONGEST_LINE
            )
        except OSError as error:
            raise FeedError(f"Databento's gateway cannot be reached: {type(error).__name__}.") from None
        try:
            await self._authenticate()
            for line in self._subscriptions(time.time_ns()):
                self._writer.write(line.encode())
            self._writer.write(b"start_session\n")
            await self._writer.drain()
        except OSError as error:
            await self.__aexit__()
            raise FeedError(f"Databento's gateway broke off: {type(error).__name__}.") from None
        except BaseException:
            await self.__aexit__()
            raise
        self._decoder.connected()
        return self

    async def __aexit__(self, *exc: object) -> None:
        writer, self._writer, self._reader = self._writer, None, None
        if writer is not None:
            writer.close()
            try:
                await writer.wait_closed()
            except OSError:
                return

    async def receive(self) -> list[Event]:
        """The events of the next bytes; none for a heartbeat."""
        if self._decoder.failure is not None:
            raise self._decoder.failure
        if self._reader is None:
            raise FeedError("The connection to Databento is not open.")
        try:
            data = await self._reader.read(CHUNK_BYTES)
        except OSError as error:
            raise FeedError(f"Databento's gateway broke off: {type(error).__name__}.") from None
        if not data:
            rest = self._decoder.pending
            raise FeedError(
                "Databento closed the connection" + (f" amid a record, {rest} bytes of it." if rest else ".")
            )
        return self._decoder.decode(data, time.time_ns() // 1_000_000)

    def _subscriptions(self, now_ns: int) -> list[str]:
        """The subscription lines of a connection that begins now, unix ns."""
        newest, symbols = self._decoder.reader.newest, self._settings.symbols
        # Never in the future, whatever a damaged record said.
        start = None if newest == 0 else max(min(newest, now_ns) - OVERLAP_NS, now_ns - REPLAY_NS)
        lines = subscriptions(self._settings.databento_schema, symbols, start)
        # Open interest comes once, before the opening: for named symbols it is asked for again, for all
        # symbols that would be some 25 million records.
        since = now_ns - REPLAY_NS if symbols and newest == 0 else None
        return lines + subscriptions("statistics", symbols, since)

    async def _authenticate(self) -> None:
        """Answer the challenge and read the verdict."""
        if "lsg_version" not in await self._read_fields():
            raise FeedError("The other side of databento_url did not greet as Databento's gateway does.")
        challenge = (await self._read_fields()).get("cram")
        if not challenge:
            raise FeedError("Databento's gateway sent no challenge.")
        secret = self._settings.databento_key
        heartbeat_s = max(5, int(self._settings.feed_silence_s / 3))
        await self._write(
            f"auth={sign(challenge, secret.get_secret_value() if secret else '')}|dataset={DATASET}"
            f"|encoding=dbn|ts_out=0|heartbeat_interval_s={heartbeat_s}|client=flowtape\n"
        )
        verdict = await self._read_fields()
        if verdict.get("success") == "1":
            return
        error = verdict.get("error", "no reason given")[:300]
        if "success" not in verdict or "limit" in error.lower():
            raise FeedError(f"Databento's gateway did not open a session: {error}.")
        raise FeedRefusedError(
            f"Databento refused the key: {error}.",
            "Check FLOWTAPE_DATABENTO_KEY and the plan's access to OPRA.",
        )

    async def _read_fields(self) -> dict[str, str]:
        """The fields of the next control line."""
        if self._reader is None:
            raise FeedError("The connection to Databento is not open.")
        try:
            line = await self._reader.readline()
        except ValueError:
            raise FeedError(f"Databento's gateway sent a line of more than {_LONGEST_LINE} bytes.") from None
        if not line.endswith(b"\n"):
            raise FeedError("Databento's gateway closed the connection before a session began.")
        return fields_of(line.decode("utf-8", "replace"))

    async def _write(self, line: str) -> None:
        if self._writer is None:
            raise FeedError("The connection to Databento is not open.")
        self._writer.write(line.encode())
        await self._writer.drain()


FEED = LiveFeed(
    name=FEED_NAME,
    summary="Databento: all option trades with the consolidated quote (OPRA.PILLAR)",
    session=DatabentoSession,
    needs=("databento_key",),
)

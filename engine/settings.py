"""The one table of settings: name, unit, default, help. Environment (`FLOWTAPE_*`) over TOML file; a flag wins.

The file is `flowtape.toml` in the working folder, or the one that `FLOWTAPE_CONFIG` names. docs/settings.md is
generated from this table (`scripts/docs`), and a test holds it to that.
"""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from engine.search_page import PAGE_ROWS
from schemas.errors import SettingsError
from schemas.flags import Rules, Thresholds
from schemas.tier import TIERS, Delivery, Tier

CONFIG_VARIABLE = "FLOWTAPE_CONFIG"
DEFAULT_CONFIG = "flowtape.toml"

_AT_LEAST_ONE = ("interval_ms", "rows")
"""Fields of a tier that may not be 0."""


def _row(default: Any, unit: str, text: str, **bounds: Any) -> Any:
    """A row of the table: default, unit (empty where there is none), help."""
    return Field(default=default, description=text, json_schema_extra={"unit": unit}, **bounds)


class Settings(BaseSettings):
    """Every setting of every command."""

    model_config = SettingsConfigDict(env_prefix="FLOWTAPE_", extra="forbid", frozen=True)

    # Redis
    redis_url: str | None = _row(
        None, "", "The Redis to use (redis://, rediss://, unix://); unset, an embedded one is started."
    )
    data_dir: Path | None = _row(
        None, "", "Where the embedded Redis keeps its data; unset, the user's data folder."
    )
    cache_dir: Path | None = _row(
        None, "", "Where the fetched Redis Stack is unpacked; unset, the user's cache folder."
    )
    partitions: int = _row(
        1, "", "Partitions that prints are spread over by underlying; the same everywhere.", ge=1, le=16_384
    )

    # Classification
    ask_from: float = _row(
        0.75, "share of the spread", "From where in the spread a price counts as the ask's.", ge=0.5, le=1
    )
    sweep_ms: int = _row(250, "ms", "Prints of a sweep are at most this far apart.", ge=1, le=5_000)
    repeat_ms: int = _row(100, "ms", "Prints of a repeat are at most this far apart.", ge=1, le=5_000)
    repeat_count: int = _row(5, "prints", "More prints than this are a repeat.", ge=1, le=100)
    block_size: int = _row(500, "contracts", "Size from which a print is a block.", ge=1)
    large_premium: float = _row(100_000.0, "dollars", "Premium from which a print is large.", gt=0)
    golden_premium: float = _row(1_000_000.0, "dollars", "Premium from which a sweep may be golden.", gt=0)
    unusual_volume: int = _row(500, "contracts", "Day volume above which a contract may be unusual.", ge=0)
    unusual_open_interest: int = _row(
        100, "contracts", "Open interest above which a contract may be unusual.", ge=0
    )
    unusual_ratio: float = _row(1.25, "", "Volume to open interest from which it is unusual.", gt=0)
    thresholds: dict[str, dict[str, float]] = _row(
        {}, "", 'Overrides by underlying, as {"SPY": {"block_size": 2000, "large_premium": 500000}}.'
    )

    # Keeping
    ttl_notable: int = _row(86_400, "s", "How long a trade with a notable flag is kept.", ge=1)
    ttl_ordinary: int = _row(3_600, "s", "How long any other trade is kept.", ge=1)
    tape_length: int = _row(100_000, "trades", "Announced trades kept for clients that resume.", ge=1_000)
    prints_length: int = _row(
        100_000, "prints", "Processed prints kept on the stream; unprocessed ones are never trimmed.", ge=0
    )
    dead_length: int = _row(10_000, "entries", "Dead prints and messages kept; older ones give way.", ge=1)

    # Publishing
    backlog_limit: int = _row(
        500_000, "prints", "Unprocessed prints on the stream from which publishers wait or drop.", ge=100
    )
    publish_queue: int = _row(50_000, "prints", "Prints a live feed holds while Redis is slow.", ge=100)
    publish_batch: int = _row(200, "prints", "Prints appended in one call at most.", ge=1, le=1_000)
    publish_linger_ms: int = _row(5, "ms", "How long a print waits for others to be appended with it.", ge=0)

    # Indexing
    index_batch: int = _row(
        50, "prints", "Prints written in one script: 50 hold Redis for about 2 ms.", ge=1, le=500
    )
    owner_ttl_ms: int = _row(
        3_000, "ms", "An indexer that was not heard of for this long loses its partition.", ge=500, le=4_000
    )
    contract_states: int = _row(
        500_000, "contracts", "Contract states an indexer keeps in memory.", ge=10_000
    )

    # Searching
    query_timeout_ms: int = _row(2_000, "ms", "After which a search fails rather than answer in part.", ge=10)

    # Gateway
    host: str = _row("127.0.0.1", "", "Address that the gateway listens on.")
    port: int = _row(8_000, "", "Port that the gateway listens on; 0 is any free one.", ge=0, le=65_535)
    workers: int = _row(1, "processes", "Gateways of one `flowtape serve`, on one port.", ge=1, le=64)
    tiers: dict[str, dict[str, int | str]] = _row(
        {}, "", 'Overrides by tier, as {"free": {"delay_s": 0}}; a new name with all fields is a new tier.'
    )
    search_concurrency: int = _row(
        4, "searches", "Searches that one gateway has in Redis at once.", ge=1, le=64
    )
    resume_trades: int = _row(
        20_000,
        "trades",
        "Announcements read back at most for a client that resumes; of more, a snapshot.",
        ge=0,
    )
    session_buffer: int = _row(
        262_144, "bytes", "Unsent bytes of a session from which its batches are conflated.", ge=16_384
    )
    slow_client_s: float = _row(
        10.0, "s", "How long a session may be behind before it is closed (4008).", gt=0
    )
    ready_lag_s: float = _row(10.0, "s", "Lag of the tape from which the gateway is not ready.", gt=0)
    drain_s: float = _row(5.0, "s", "Over how long a stopping gateway sends its clients away (4001).", ge=0)

    # Access
    jwt_secret: SecretStr | None = _row(
        None,
        "",
        "Secret that tokens are signed with (HS256), 32 bytes or more; on this machine alone one is made.",
    )
    jwks_url: str | None = _row(None, "", "Address of the key set that tokens are checked against.")
    jwt_issuer: str | None = _row(None, "", "`iss` that tokens must have; unset, any.")
    jwt_audience: str | None = _row(None, "", "`aud` that tokens must have; unset, none is asked for.")
    origins: Annotated[tuple[str, ...], NoDecode] = _row(
        (), "", "Origins that browsers may connect from, separated by commas; the gateway's own always may."
    )
    messages_per_minute: int = _row(
        100, "messages", "Messages of one connection before it is closed (4429).", ge=1
    )
    history_per_minute: int = _row(30, "pages", "Pages of history of one connection.", ge=1)
    searches_per_minute: int = _row(
        120, "searches", "Requests of one user to `/v1/trades`, and to `/v1/stats`, at one gateway.", ge=1
    )
    connections: int = _row(10, "connections", "Connections of one user on all gateways.", ge=1)
    page_dir: Path | None = _row(
        None, "", "Folder of a built trader's page to serve; unset, the one that came with Flowtape."
    )

    # Clients
    gateway_url: str = _row(
        "http://127.0.0.1:8000",
        "",
        "The gateway that `flowtape tail` follows: http:// or https://, ws:// or wss://.",
    )
    token: SecretStr | None = _row(
        None, "", "Token of a client; unset, one is made for a gateway on this machine."
    )

    # Measuring
    chromium: Path | None = _row(
        None, "", "The Chromium of `flowtape bench page` and scripts/screenshots; unset, the one in the PATH."
    )

    # Watching
    log_format: str = _row(
        "text", "", "Form of log lines: text for people, json for programs.", pattern="^(text|json)$"
    )
    log_level: str = _row(
        "info", "", "Least level that is logged.", pattern="^(debug|info|warning|error|critical)$"
    )
    metrics_token: SecretStr | None = _row(
        None, "", "Bearer token that /metrics asks for; unset, only this machine is answered."
    )
    otel_endpoint: str | None = _row(
        None, "", "OpenTelemetry collector (OTLP over HTTP) that traces go to; unset, none are made."
    )
    otel_sample: float = _row(0.001, "share of batches", "How many batches are traced.", ge=0, le=1)

    # Feeds
    symbols: Annotated[tuple[str, ...], NoDecode] = _row(
        (), "", "What a live feed subscribes to, separated by commas; unset, the feed's own default."
    )
    feed_silence_s: float = _row(30.0, "s", "Silence after which a connection is taken for dead.", gt=0)
    feed_backoff_s: float = _row(0.5, "s", "First pause before connecting again; it doubles.", gt=0)
    feed_backoff_max_s: float = _row(30.0, "s", "Longest pause before connecting again.", gt=0)
    quote_cache: int = _row(200_000, "contracts", "Last quotes that a feed remembers.", ge=1)

    simulator_rate: float = _row(
        200.0, "prints/s", "The simulator's usual rate; it opens with ten times as many.", gt=0, le=50_000
    )
    simulator_seed: int = _row(1, "", "The simulator's seed: the same one makes the same market.")

    alpaca_key: SecretStr | None = _row(None, "", "Alpaca's key id.")
    alpaca_secret: SecretStr | None = _row(None, "", "Alpaca's secret key.")
    alpaca_url: str = _row(
        "wss://stream.data.alpaca.markets/v1beta1/indicative",
        "",
        "Alpaca's option stream; /opra with a plan.",
    )
    massive_key: SecretStr | None = _row(None, "", "Massive's (Polygon's) API key.")
    massive_url: str = _row("wss://socket.massive.com/options", "", "Massive's option stream.")
    databento_key: SecretStr | None = _row(None, "", "Databento's API key (db-...).")
    databento_url: str = _row("tcp://opra-pillar.lsg.databento.com:13000", "", "Databento's live gateway.")
    databento_schema: str = _row(
        "tcbbo", "", "Schema: trades, tcbbo, cmbp-1.", pattern="^(trades|tcbbo|cmbp-1)$"
    )
    tradier_token: SecretStr | None = _row(None, "", "Tradier's access token.")
    tradier_url: str = _row("wss://ws.tradier.com/v1/markets/events", "", "Tradier's market stream.")
    tradier_session_url: str = _row(
        "https://api.tradier.com/v1/markets/events/session", "", "Where Tradier's stream sessions are made."
    )
    theta_url: str = _row("ws://127.0.0.1:25520/v1/events", "", "The Theta Terminal on this machine.")
    unusual_whales_token: SecretStr | None = _row(None, "", "Unusual Whales' API token.")
    unusual_whales_url: str = _row(
        "wss://api.unusualwhales.com/socket", "", "Unusual Whales' option trade stream."
    )

    @field_validator("symbols", "origins", mode="before")
    @classmethod
    def _split_symbols(cls, value: object) -> object:
        return (
            tuple(part.strip() for part in value.split(",") if part.strip())
            if isinstance(value, str)
            else value
        )

    @field_validator("thresholds")
    @classmethod
    def _known_thresholds(cls, value: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
        known = {f.name for f in dataclasses.fields(Thresholds)}
        for underlying, overrides in value.items():
            if unknown := sorted(set(overrides) - known):
                raise ValueError(f"{underlying}: {', '.join(unknown)}; known are {', '.join(sorted(known))}")
        return value

    @field_validator("tiers")
    @classmethod
    def _known_tiers(cls, value: dict[str, dict[str, int | str]]) -> dict[str, dict[str, int | str]]:
        fields = {f.name for f in dataclasses.fields(Tier)} - {"name"}
        for name, row in value.items():
            if unknown := sorted(set(row) - fields):
                raise ValueError(f"{name}: {', '.join(unknown)}; known are {', '.join(sorted(fields))}")
            if name not in TIERS and (missing := sorted(fields - set(row))):
                raise ValueError(f"{name}: a new tier needs {', '.join(missing)} too")
            for field, given in row.items():
                if field == "delivery" and given not in tuple(Delivery):
                    raise ValueError(f"{name}: delivery is {given!r}; expected {' or '.join(Delivery)}")
                if field != "delivery" and (not isinstance(given, int) or given < (field in _AT_LEAST_ONE)):
                    raise ValueError(f"{name}: {field} is {given!r}; expected a whole number")
                if field == "rows" and isinstance(given, int) and given > PAGE_ROWS:
                    raise ValueError(f"{name}: rows is {given}; a snapshot has at most {PAGE_ROWS}")
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags, then environment, then the TOML file."""
        del dotenv_settings, file_secret_settings
        path = Path(os.environ.get(CONFIG_VARIABLE, DEFAULT_CONFIG))
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, toml_file=path)

    @classmethod
    def load(cls, **flags: Any) -> Self:
        """The settings in force; `flags` of None are not set. Raises SettingsError with the name and the value."""
        named = os.environ.get(CONFIG_VARIABLE)
        if named and not Path(named).is_file():
            raise SettingsError(
                f"{CONFIG_VARIABLE} names {named}, which is no file.", "Correct it or unset it."
            )
        try:
            return cls(**{name: value for name, value in flags.items() if value is not None})
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            name = ".".join(str(part) for part in first["loc"])
            given = (
                ""
                if "key" in name or "token" in name or "secret" in name
                else f" (given: {first['input']!r})"
            )
            raise SettingsError(
                f"Setting {name}: {first['msg']}{given}.",
                "docs/settings.md lists every setting with its unit.",
            ) from None
        except ValueError as error:
            raise SettingsError(f"The settings file cannot be read: {error}.") from None

    def tier_table(self) -> dict[str, Tier]:
        """The tiers by name, with these settings' overrides."""
        table = dict(TIERS)
        for name, values in self.tiers.items():
            row: dict[str, Any] = dataclasses.asdict(table[name]) if name in table else {"name": name}
            row |= values
            table[name] = Tier(**(row | {"delivery": Delivery(row["delivery"])}))
        return table

    def rules(self) -> Rules:
        """The classification rules that these settings make."""
        names = [f.name for f in dataclasses.fields(Thresholds)]
        default = Thresholds(**{name: getattr(self, name) for name in names})
        kinds = {name: type(getattr(default, name)) for name in names}
        overrides = {
            underlying.upper(): dataclasses.replace(
                default, **{name: kinds[name](value) for name, value in values.items()}
            )
            for underlying, values in self.thresholds.items()
        }
        return Rules(ask_from=self.ask_from, default=default, overrides=overrides)

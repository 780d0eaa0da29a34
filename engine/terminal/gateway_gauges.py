"""What a gateway on this machine says about itself at /metrics, for the live view."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Final, Self

import httpx

from engine.settings import Settings

WATCH_S: Final = 1.0
"""Between two readings."""

ANSWER_S: Final = 1.0
"""How long the gateway may take to answer; then nothing is shown of it."""

METRICS_BYTES: Final = 1_048_576
"""Of an answer that are read at most."""


@dataclass(frozen=True, slots=True)
class GatewayReading:
    """The gauges at one time."""

    at: float
    """The reader's clock, seconds."""
    sessions: int
    subscriptions: int
    groups: int
    """Distinct filters that are followed."""
    rows_sent: int
    """Since the gateways began to count."""
    lag_ms: float
    """How long ago the whole tape was last known to be read."""


def parse(text: str, at: float) -> GatewayReading | None:
    """The gauges in a page of metrics, labels summed up; None where it has none of them."""
    sums: dict[str, float] = {}
    for line in text.splitlines():
        if line.startswith("flowtape_"):
            name, _, value = line.rpartition(" ")
            name = name.partition("{")[0].removeprefix("flowtape_")
            try:
                sums[name] = sums.get(name, 0.0) + float(value)
            except ValueError:
                continue
    if "sessions" not in sums:
        return None
    whole = {name: int(sums.get(name, 0.0)) for name in ("sessions", "subscriptions", "groups")}
    return GatewayReading(
        at,
        **whole,
        rows_sent=int(sums.get("rows_sent_total", 0)),
        lag_ms=1000 * sums.get("tape_lag_seconds", 0.0),
    )


def rows_per_second(before: GatewayReading | None, now: GatewayReading) -> float:
    """How fast rows are sent between two readings; zero where the gateway began to count anew."""
    if before is None or now.at <= before.at:
        return 0.0
    return max(0, now.rows_sent - before.rows_sent) / (now.at - before.at)


class GatewayWatch:
    """Reads the gauges of the gateway at an address each WATCH_S, on a thread, so that nobody waits for it."""

    def __init__(self, url: str, settings: Settings) -> None:
        self.newest: GatewayReading | None = None
        """None while it does not answer."""
        self.rows_per_second = 0.0
        self._url = f"{url}/metrics"
        token = settings.metrics_token
        self._headers = {} if token is None else {"Authorization": f"Bearer {token.get_secret_value()}"}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="gateway-watch", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(2 * ANSWER_S)

    def _run(self) -> None:
        with httpx.Client(timeout=ANSWER_S, trust_env=False, headers=self._headers) as http:
            while not self._stop.wait(WATCH_S):
                reading = self._read(http)
                if reading is not None:
                    self.rows_per_second = rows_per_second(self.newest, reading)
                self.newest = reading

    def _read(self, http: httpx.Client) -> GatewayReading | None:
        body = b""
        try:
            with http.stream("GET", self._url) as response:
                if response.status_code != httpx.codes.OK:
                    return None
                for part in response.iter_bytes():
                    body += part
                    if len(body) > METRICS_BYTES:
                        return None
        except httpx.HTTPError:
            return None
        return parse(body.decode(errors="replace"), time.monotonic())

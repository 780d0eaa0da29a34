"""The indexer of one partition: owns it or stands by, and waits for a Redis that is away.

Any number may run for a partition; one owns it, and another takes over when that one's ownership runs out.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable

import redis
from redis.exceptions import ResponseError

from engine.scripts import script
from engine.search_index import ensure_index
from engine.settings import Settings
from engine.tenure import Tenure
from schemas import keys
from schemas.errors import NotOwnerError, StaleStateError

log = logging.getLogger("flowtape.indexer")

STANDBY_S = 0.25
"""How often a standby asks for the partition."""

BACKOFF_S = (0.1, 2.0)
"""First and longest pause while Redis does not serve."""

STABLE_S = 10.0
"""After serving this long, the next pause is the first again."""


class Indexer:
    """Indexes one partition until told to stop. `counts` are the outcomes of this process, by name."""

    def __init__(self, client: redis.Redis, settings: Settings, partition: int, name: str) -> None:
        self._client = client
        self._settings = settings
        self._p = partition
        self._name = name
        self.counts: Counter[str] = Counter()
        self.owner = False

    def run(self, stopping: Callable[[], bool]) -> None:
        """Index or stand by until `stopping` is true; then finish the batch in hand and give up the partition.

        Raises IndexMismatchError and RedisSetupError at once; a Redis that is away or refuses is waited for.
        """
        pause = BACKOFF_S[0]
        try:
            while not stopping():
                began = time.monotonic()
                try:
                    if not self._hold():
                        time.sleep(STANDBY_S)
                        continue
                    log.info("owns partition %d", self._p)
                    self._prepare()
                    tenure = Tenure(
                        self._client, self._settings, self._p, self._name, self._hold, self.counts
                    )
                    try:
                        tenure.work(stopping)
                    finally:
                        tenure.close()
                except NotOwnerError as error:
                    log.warning("lost partition %d: %s", self._p, error)
                except StaleStateError:
                    log.warning(
                        "partition %d was written by another indexer: its state is loaded again", self._p
                    )
                except (redis.RedisError, OSError) as error:
                    # Away, out of memory, read-only after a failover, a full disk: nothing that skipping a print
                    # would help.
                    if time.monotonic() - began > STABLE_S:
                        pause = BACKOFF_S[0]
                    log.warning("Redis does not serve (%s); next try in %.1f s", error, pause)
                    time.sleep(pause)
                    pause = min(2 * pause, BACKOFF_S[1])
        finally:
            self._release()

    def _hold(self) -> bool:
        """Take or keep the partition; whether it is ours."""
        held = script("hold_partition").run(
            self._client, [keys.owner(self._p)], [self._name, self._settings.owner_ttl_ms]
        )
        self.owner = held == self._name.encode()
        return self.owner

    def _release(self) -> None:
        if not self.owner:
            return
        self.owner = False
        try:
            script("release_partition").run(self._client, [keys.owner(self._p)], [self._name])
        except redis.RedisError as error:
            log.warning("partition %d could not be given up (%s): it runs out by itself", self._p, error)

    def _prepare(self) -> None:
        """Make the index and the consumer group where they are missing."""
        ensure_index(self._client, self._settings.partitions)
        try:
            self._client.xgroup_create(keys.prints(self._p), keys.INDEXER_GROUP, id="0", mkstream=True)
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise

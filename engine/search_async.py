"""The same searches from asyncio, for many tasks at once: pages, and what was announced since a position."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import redis.asyncio
from redis.exceptions import BusyLoadingError, ResponseError

from engine import search_question as question
from engine.search_command import error_of
from engine.search_page import Page, Tail
from engine.search_question import Answer, Question, Request
from engine.search_windows import Windows
from schemas.filter import Filter


class AsyncSearch:
    """Searches all partitions of one Redis, for many tasks at once.

    At most `concurrency` commands are with Redis; the others wait in their order, so a search of many commands
    holds up nobody who needs one.
    """

    def __init__(
        self, client: redis.asyncio.Redis, partitions: int, timeout_ms: int, concurrency: int = 4
    ) -> None:
        self._client = client
        self.partitions = partitions
        self.timeout_ms = timeout_ms
        self._windows = Windows()
        self._turns = asyncio.Semaphore(concurrency)

    async def page(
        self, wanted: Filter, limit: int, before: str | None = None, until: int | None = None
    ) -> Page:
        """The newest `limit` trades of a filter, none newer than `until` (unix ms), as `Search.page`.

        Raises SearchError, and RedisSetupError where there is no index.
        """
        return await self.run(
            question.page(
                wanted,
                limit,
                before,
                until,
                partitions=self.partitions,
                timeout_ms=self.timeout_ms,
                windows=self._windows,
            )
        )

    async def since(
        self,
        wanted: Filter,
        after: Sequence[int],
        to: Sequence[int],
        limit: int,
        window: tuple[int | None, int] | None = None,
    ) -> Tail:
        """What a filter finds of the trades announced since: the newest `limit`, and how many there were in all.

        `after` and `to` are positions by partition: of partition `p` the trades with `after[p] < seq <= to[p]`.
        A delayed tier gives `window = (shown, until)`, exchange times in unix ms: of the trades with
        `seq <= to[p]` and `ts <= until` then those with `ts > shown`, whenever they were announced, and those with
        `seq > after[p]`, whenever they traded (rewritten, or late). A `shown` of None is before the first trade:
        all with `seq <= to[p]` and `ts <= until`, which a page finds at less cost.

        In the order of a page. The total may count trades that expired a moment ago. One command a partition, and
        a second where the last row shares its millisecond with rows beyond the limit. Raises as `page`.
        """
        return await self.run(question.tail(wanted, after, to, limit, window, timeout_ms=self.timeout_ms))

    async def run(self, asked: Question[Answer]) -> Answer:
        """The answer to a question. Raises as `page`."""
        try:
            request = next(asked)
            while True:
                request = asked.send(await self._reply(request))
        except StopIteration as end:
            answer: Answer = end.value
            return answer

    async def _reply(self, request: Request) -> Any:
        async with self._turns:
            try:
                return await self._client.execute_command(*request.command)
            except (ResponseError, BusyLoadingError) as error:
                known = error_of(error, request.partition, self.timeout_ms)
                if known is None:
                    raise
                raise known from error

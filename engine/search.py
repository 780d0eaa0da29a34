"""Snapshot search: the newest trades of a filter, in pages, over all partitions.

Order is newest first by exchange time, then by the higher `seq`. A page goes on where the one before it ended,
by the key of its last row, so new trades above do not shift it. A search is complete or fails: a time-out in
Redis is an error, never a shorter answer. `engine/search_async.py` is the same for asyncio.
"""

from __future__ import annotations

from typing import Any

import redis
from redis.exceptions import BusyLoadingError, ResponseError

from engine import search_question as question
from engine.search_command import error_of
from engine.search_page import Page
from engine.search_question import Answer, Question, Request
from engine.search_windows import Windows
from schemas.filter import Filter
from schemas.filter_query import Query


class Search:
    """Searches all partitions of one Redis. Not for use by several threads at once."""

    def __init__(self, client: redis.Redis, partitions: int, timeout_ms: int) -> None:
        self._client = client
        self._partitions = partitions
        self._timeout_ms = timeout_ms
        self._windows = Windows()
        self.commands = 0
        """Commands sent so far."""

    def page(self, wanted: Filter, limit: int, before: str | None = None, until: int | None = None) -> Page:
        """The newest `limit` trades of a filter, none newer than `until` (unix ms).

        Raises SearchError, and RedisSetupError where there is no index.
        """
        return self.run(
            question.page(
                wanted,
                limit,
                before,
                until,
                partitions=self._partitions,
                timeout_ms=self._timeout_ms,
                windows=self._windows,
            )
        )

    def total(self) -> int:
        """Trades in the index, of all partitions, with those that expired a moment ago."""
        return self.run(question.total(self._partitions, self._timeout_ms))

    def count(self, query: Query, partition: int) -> int:
        """Trades that a query names in a partition; over a large index that takes some 10 ms a million."""
        return self.run(question.count(query, partition, self._timeout_ms))

    def run(self, asked: Question[Answer]) -> Answer:
        """The answer to a question. Raises as `page`."""
        try:
            request = next(asked)
            while True:
                request = asked.send(self._reply(request))
        except StopIteration as end:
            answer: Answer = end.value
            return answer

    def _reply(self, request: Request) -> Any:
        self.commands += 1
        try:
            return self._client.execute_command(*request.command)
        except (ResponseError, BusyLoadingError) as error:
            known = error_of(error, request.partition, self._timeout_ms)
            if known is None:
                raise
            raise known from error

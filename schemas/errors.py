"""The error tree: every failure that Flowtape reports is one of these, with a sentence and a remedy."""

from __future__ import annotations


class FlowtapeError(Exception):
    """A failure that a person can act on.

    `message` says what was expected and what came; `remedy` says what to do, or is empty where nothing can be
    done. The command line prints both and ends with `exit_status`.
    """

    exit_status = 1

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}" if self.remedy else self.message


class SettingsError(FlowtapeError):
    """A setting is missing, unknown or out of its range."""

    exit_status = 2


class ContractError(FlowtapeError):
    """A text is not the spelling of an option contract."""


class FilterError(FlowtapeError):
    """A filter is not valid.

    `position` is the offset of the wrong word in the text, -1 for a JSON filter, and `length` its characters (code
    points, as `position`); `field` is the field at fault, empty where it is the whole.
    """

    exit_status = 2

    def __init__(
        self, message: str, remedy: str = "", position: int = -1, length: int = 0, field: str = ""
    ) -> None:
        super().__init__(message, remedy)
        self.position = position
        self.length = length
        self.field = field


class DecodeError(FlowtapeError):
    """A vendor's message cannot become a print; feeds turn it into a `Reject`, it never leaves a decoder."""


class FileFormatError(FlowtapeError):
    """A file as a whole is not of the format that was named."""


class FeedError(FlowtapeError):
    """A live feed lost its vendor for a reason that may pass: the supervisor connects again."""


class FeedRefusedError(FeedError):
    """A vendor refused the key or the subscription: connecting again would not help."""

    exit_status = 3


class RedisSetupError(FlowtapeError):
    """Redis is absent, too old, without a needed module, or set up so that data could be lost."""


class IndexMismatchError(RedisSetupError):
    """The search index in Redis is not the one that this version writes to."""


class PositionError(FlowtapeError):
    """A text is no position on the tape."""


class AccessError(FlowtapeError):
    """A token, ticket or cookie does not let its bearer in.

    `expired` says that it was good once: a fresh one will do. `temporary` says that it may be good: its key could not
    be looked up, and it may be tried again.
    """

    def __init__(
        self, message: str, remedy: str = "", *, expired: bool = False, temporary: bool = False
    ) -> None:
        super().__init__(message, remedy)
        self.expired = expired
        self.temporary = temporary


class ChannelError(FlowtapeError):
    """A saved channel cannot be made, found or changed; `code` says which.

    Codes: `bad_name`, `unknown_channel`, `name_taken`, `channel_limit`, `no_channels` (the tier has none),
    `channel_changed` (not in the state that was expected), `unreadable_channel` (saved by another version), `busy`
    (other writes were faster too often).
    """

    def __init__(self, message: str, remedy: str = "", *, code: str) -> None:
        super().__init__(message, remedy)
        self.code = code


class MessageError(FlowtapeError):
    """A client's message is none of the protocol's: the connection ends with 4400."""


class StreamError(FlowtapeError):
    """A client's stream or one of its subscriptions cannot begin, or ended for good.

    `code` is the close code of the connection or the `code` of an error message; None where it is neither.
    """

    def __init__(self, message: str, remedy: str = "", *, code: int | str | None = None) -> None:
        super().__init__(message, remedy)
        self.code = code


class SearchError(FlowtapeError):
    """A search could not be answered whole, or was asked for wrongly."""


class SearchRequestError(SearchError):
    """A search was asked for wrongly: `parameter` (`limit`, `before`, `window` and others) is at fault."""

    def __init__(self, message: str, remedy: str = "", *, parameter: str) -> None:
        super().__init__(message, remedy)
        self.parameter = parameter


class RateError(FlowtapeError):
    """A user asks too often; `retry_s` says when to ask again."""

    def __init__(self, message: str, remedy: str = "", *, retry_s: int) -> None:
        super().__init__(message, remedy)
        self.retry_s = retry_s


class NotOwnerError(FlowtapeError):
    """Another indexer owns the partition: this one goes back to standing by."""


class StaleStateError(FlowtapeError):
    """Redis holds another state than the indexer believed.

    `existing` are the places (from 1) of new trades in the batch that are indexed already; empty where another
    indexer wrote in between.
    """

    def __init__(self, message: str, existing: tuple[int, ...] = ()) -> None:
        super().__init__(message)
        self.existing = existing

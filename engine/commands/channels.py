"""`flowtape channels`: a user's saved channels, listed and changed by the operator, directly in Redis."""

from __future__ import annotations

import asyncio
from enum import StrEnum
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from engine.access.tokens import checked_user
from engine.channels import LISTED, Channels
from engine.settings import Settings
from engine.store.connect import connect, connect_async, redis_server
from engine.terminal import format as write
from schemas.channel import Channel, UnreadableChannel, described, is_link
from schemas.errors import FlowtapeError
from schemas.filter_text import filter_text, parse_filter
from schemas.spell_check import nearest


class Action(StrEnum):
    """What to do; each word is one of the command line."""

    LIST = "list"
    SHOW = "show"
    SAVE = "save"
    RENAME = "rename"
    DELETE = "delete"
    SHARE = "share"
    UNSHARE = "unshare"


USAGE = {
    Action.LIST: "list --user U",
    Action.SHOW: "show NAME --user U",
    Action.SAVE: "save NAME FILTER --user U",
    Action.RENAME: "rename NAME NEW --user U",
    Action.DELETE: "delete NAME --user U",
    Action.SHARE: "share NAME --user U",
    Action.UNSHARE: "unshare NAME --user U",
}
"""The words of each action."""


def channels(
    action: Annotated[Action, typer.Argument(help="What to do.")] = Action.LIST,
    name: Annotated[
        str | None,
        typer.Argument(help="The channel; `show` takes a link id too.", metavar="NAME", show_default=False),
    ] = None,
    value: Annotated[
        list[str] | None,
        typer.Argument(help="The filter to save, or the new name.", metavar="FILTER|NEW", show_default=False),
    ] = None,
    user: Annotated[
        str | None, typer.Option(help="Whose channels: `sub` of the token.", show_default=False)
    ] = None,
    tier: Annotated[
        str | None,
        typer.Option(help="Save no more channels than this tier does; without it, no tier's limit holds."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One object a line.")] = False,
    redis_url: Annotated[
        str | None, typer.Option(help="Redis to use instead of FLOWTAPE_REDIS_URL or the embedded one.")
    ] = None,
) -> None:
    """List, show, save, rename, delete, share and unshare a user's saved channels.

    Put a filter in quotes, and -- before one that begins with a minus. docs/channels.md says more.
    """
    settings = Settings.load(redis_url=redis_url)
    by_link = action is Action.SHOW and name is not None and is_link(name)
    words = (0 if name is None else 1) + len(value or ())
    least = {Action.LIST: 0, Action.SAVE: 2, Action.RENAME: 2}.get(action, 1)
    if (not user and not by_link) or words < least or (words > least and action is not Action.SAVE):
        raise typer.BadParameter(f"expected flowtape channels {USAGE[action]}")
    if user:
        checked_user(user)
    # Several words are one filter, as for `flowtape query`.
    text = " ".join(value or ())
    wanted = parse_filter(text) if action is Action.SAVE else None
    limit = _limit(settings, tier)

    async def run() -> None:
        client = connect_async(opened)
        try:
            saved = Channels(client)
            await saved.prepare()
            await work(saved, user or "", name or "")
        finally:
            await client.aclose()

    async def work(saved: Channels, user: str, name: str) -> None:
        match action:
            case Action.LIST:
                _list(await saved.list(user), user, as_json)
            case Action.SHOW:
                _show(await saved.get(user, name), as_json)
            case Action.SAVE if wanted is not None:
                channel, _ = await saved.save(user, name, wanted, limit)
                _done(f"Saved {channel.name!r}: {filter_text(wanted)}", channel, as_json)
            case Action.RENAME:
                renamed = await saved.rename(user, name, text)
                _done(f"It is named {renamed.name!r} now.", renamed, as_json)
            case Action.DELETE:
                await saved.delete(user, name)
                if not as_json:
                    typer.echo(f"Deleted {name!r}.")
            case Action.SHARE:
                link = await saved.share(user, name)
                # The link alone on the last line, for scripts.
                _done(
                    f"Whoever has this link id may read {name!r}:\n{link}",
                    await saved.get(user, name),
                    as_json,
                )
            case Action.UNSHARE:
                await saved.unshare(user, name)
                _done(f"Nobody else may read {name!r} any more.", await saved.get(user, name), as_json)

    with redis_server(settings) as opened, connect(opened):
        asyncio.run(run())


def _limit(settings: Settings, tier: str | None) -> int:
    table = settings.tier_table()
    if tier is None:
        return LISTED
    if tier not in table:
        raise FlowtapeError(
            f"{tier!r} is no tier{nearest(tier, list(table))}.", f"Known are {', '.join(table)}."
        )
    return table[tier].channels


def _json(channel: Channel | UnreadableChannel) -> None:
    typer.echo(msgspec.json.encode(described(channel)).decode())


def _done(sentence: str, channel: Channel | UnreadableChannel, as_json: bool) -> None:
    if as_json:
        _json(channel)
    else:
        typer.echo(sentence)


def _list(found: tuple[Channel | UnreadableChannel, ...], user: str, as_json: bool) -> None:
    if as_json:
        for channel in found:
            _json(channel)
        return
    console = Console(highlight=False)
    if not found:
        console.print(Text(f"{user} has no saved channels."))
        return
    table = Table(title=Text(f"{len(found)} saved channels of {user}"), title_justify="left", box=None)
    for column in ("Name", "Filter", "Link", "Revision", "Changed"):
        table.add_column(column, overflow="fold", justify="right" if column == "Revision" else "left")
    for channel in found:
        if isinstance(channel, UnreadableChannel):
            table.add_row(Text(channel.name), Text(channel.reason, "red"), channel.link, "", "")
        else:
            text = Text(filter_text(channel.filter))
            table.add_row(
                Text(channel.name), text, channel.link, str(channel.revision), _time(channel.changed)
            )
    console.print(table)


def _show(channel: Channel, as_json: bool) -> None:
    if as_json:
        _json(channel)
        return
    table = Table(box=None, show_header=False, highlight=False)
    for field, value in (
        ("name", channel.name),
        ("user", channel.user),
        ("filter", filter_text(channel.filter)),
        ("JSON", channel.filter.key),
        ("link", channel.link or "not shared"),
        ("revision", str(channel.revision)),
        ("created", _time(channel.created)),
        ("changed", _time(channel.changed)),
        ("key", channel.key),
    ):
        table.add_row(Text(field, "bold"), Text(value, overflow="fold"))
    Console(highlight=False).print(table)


def _time(ts: int) -> str:
    return f"{write.day(ts)} {write.clock(ts)} {write.zone(ts)}"

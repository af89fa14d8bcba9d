"""What a line could go on with, offered by meaning and not by letters alone: a few letters in order are enough.

Law 5: a name that could act on a terminal is not offered.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from functools import partial

import anyio

from mcphost.host import Chat
from mcphost.plugins import Offer, Registry
from mcphost.text import safe

MOST = 1000
DIRECTORY = "directory"
MOST_FILES = 1000  # names of one directory that are looked at


async def command_offers(chat: Chat, registry: Registry, line: str) -> Sequence[Offer]:
    """What the last word of `line`, which begins with "/", could become: a command, or what its command offers."""
    name, space, rest = line[1:].partition(" ")
    if not space:
        return best([(f"/{command.name}", command.help) for command in registry.commands.values()], line)
    command = registry.commands.get(name)
    return best(await command.complete(chat, rest), last_word(rest), described=True) if command else ()


def last_word(line: str) -> str:
    return re.split(r"\s", line)[-1]


def best(offers: Iterable[Offer], word: str, *, described: bool = False) -> list[Offer]:
    """Those that fit `word`, the best first: they begin with it, hold it, hold its letters in order, or, with
    `described`, are said to be what it says."""
    wanted = word.lower()
    core = wanted.lstrip("/@")
    ranks: list[list[Offer]] = [[], [], [], []]
    for offer in offers:
        text = offer[0].lower()
        if text.startswith(wanted):
            ranks[0].append(offer)
        elif core in text:
            ranks[1].append(offer)
        elif _in_order(core, text):
            ranks[2].append(offer)
        elif described and core in offer[1].lower():
            ranks[3].append(offer)
    found = (offer for rank in ranks for offer in rank)
    return [offer for offer, _ in zip((o for o in found if _harmless(o[0])), range(MOST), strict=False)]


def _in_order(letters: str, text: str) -> bool:
    """Whether `text` has `letters` in their order, others between them."""
    rest = iter(text)
    return all(letter in rest for letter in letters)


def server_offers(chat: Chat) -> list[Offer]:
    return [(server.name, server.state) for server in chat.host.servers.values()]


async def file_offers(word: str) -> list[Offer]:
    """Files and directories that `word`, a path as far as it is typed, could become."""
    return await anyio.to_thread.run_sync(partial(_files, word))


def _files(word: str) -> list[Offer]:
    head = word[: word.rfind("/") + 1]
    hidden = word[len(head) :].startswith(".")
    try:
        with os.scandir(os.path.expanduser(head or ".")) as entries:
            found = [(entry.name, _kind(entry)) for entry, _ in zip(entries, range(MOST_FILES), strict=False)]
    except (OSError, ValueError):
        return []
    shown = sorted(offer for offer in found if hidden or not offer[0].startswith("."))
    return [(f"{head}{name}/" if kind == DIRECTORY else f"{head}{name}", kind) for name, kind in shown]


def _kind(entry: os.DirEntry[str]) -> str:
    try:
        return DIRECTORY if entry.is_dir() else f"file, {entry.stat().st_size:,} bytes"
    except OSError:
        return "a link to nowhere"


def _harmless(text: str) -> bool:
    return safe(text) == text and "\n" not in text

"""What was typed before the chat read its first key, while the terminal still edited lines itself."""

from __future__ import annotations

import os
import select

from prompt_toolkit.input import Input
from prompt_toolkit.input.typeahead import store_typeahead
from prompt_toolkit.input.vt100_parser import Vt100Parser
from prompt_toolkit.key_binding import KeyPress


def keep_typed_ahead(source: Input) -> None:
    """Let the first keys read from `source` be those that wait there. The terminal made line ends of Enter: the last
    one is Enter again, so that whatever came together is one message."""
    descriptor = source.fileno()
    with source.raw_mode():
        data = os.read(descriptor, 65536) if select.select([descriptor], [], [], 0)[0] else b""
    text = data.decode(errors="replace")
    if text.endswith("\n"):
        text = text[:-1] + "\r"
    keys: list[KeyPress] = []
    parser = Vt100Parser(keys.append)
    parser.feed(text)
    parser.flush()
    store_typeahead(source, keys)

"""Model-side names of tools: safe for every model API, never parsed back, the same whatever order servers list in.

A name is `server__tool`. Where that would lose something (a character no API takes, more than 64 of them, a pair that
`split("__", 1)` does not give back) it is the first 55 characters, `_` and 8 hex digits over the pair.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from hashlib import blake2s
from itertools import count
from typing import TypeAlias

Pair: TypeAlias = tuple[str, str]  # (server, tool), as the configuration and the server spell them

MAX_NAME = 64
_STEM = 55
_UNFIT = re.compile("[^A-Za-z0-9_-]")


def model_names(pairs: Iterable[Pair]) -> dict[Pair, str]:
    """A name for each pair: unique, at most 64 of `[A-Za-z0-9_-]`, a function of the set of pairs alone."""
    names: dict[Pair, str] = {}
    taken: set[str] = set()
    # Names that say it all come first, so nothing a neighbour calls its tools can take one away from them.
    for pair in sorted(set(pairs), key=lambda pair: (not _faithful(pair), pair)):
        name = "__".join(pair) if _faithful(pair) else next(name for name in _hashed(pair) if name not in taken)
        names[pair] = name
        taken.add(name)
    return names


def _faithful(pair: Pair) -> bool:
    name = "__".join(pair)
    return len(name) <= MAX_NAME and not _UNFIT.search(name) and tuple(name.split("__", 1)) == pair


def _hashed(pair: Pair) -> Iterable[str]:
    stem = _UNFIT.sub("_", "__".join(pair))[:_STEM]
    raw = "\0".join(pair).encode(errors="surrogatepass")
    for attempt in count():
        digest = blake2s(raw + b"\0%d" % attempt if attempt else raw, digest_size=4).hexdigest()
        yield f"{stem}_{digest}"

"""The few colours of plain lines; without colour, text stays as it is."""

from __future__ import annotations


class Paint:
    def __init__(self, color: bool) -> None:
        self.colored = color

    def bold(self, text: str) -> str:
        return self._sgr(1, text)

    def dim(self, text: str) -> str:
        return self._sgr(2, text)

    def red(self, text: str) -> str:
        return self._sgr(31, text)

    def green(self, text: str) -> str:
        return self._sgr(32, text)

    def yellow(self, text: str) -> str:
        return self._sgr(33, text)

    def _sgr(self, code: int, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.colored else text

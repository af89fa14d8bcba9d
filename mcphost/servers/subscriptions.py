"""The resources whose changes somebody wants to hear of, kept across restarts of their server."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

import anyio
import anyio.abc

from mcphost.errors import ServerError


class Watch(Protocol):
    """Announce changes of a resource until cancelled; started once the server agreed, raises ServerError if not."""

    def __call__(self, uri: str, *, task_status: anyio.abc.TaskStatus[None]) -> Awaitable[None]: ...


class Subscriptions:
    def __init__(self, lost: Callable[[str, ServerError], None]) -> None:
        """`lost` is told of a resource that can no longer be watched, and why."""
        self._watched: dict[str, anyio.CancelScope | None] = {}
        self._changed: set[str] = set()
        self._lost = lost
        self._tasks: anyio.abc.TaskGroup | None = None
        self._watch: Watch | None = None

    @property
    def watched(self) -> frozenset[str]:
        return frozenset(self._watched)

    @property
    def changed(self) -> frozenset[str]:
        """Those of the watched that changed since they were read."""
        return frozenset(self._changed)

    def updated(self, uri: str) -> bool:
        """A resource changed, or one below it; False: this was known of all that is watched there."""
        touched = {known for known in self._watched if uri == known or uri.startswith(known.rstrip("/") + "/")}
        news = not touched or not touched <= self._changed
        self._changed |= touched
        return news

    def read(self, uri: str) -> None:
        """What it is by now is known."""
        self._changed.discard(uri)

    async def add(self, uri: str) -> None:
        """Watch `uri`; a second time changes nothing. Call only while connected.

        Raises:
            ServerError: the server does not announce its changes.
        """
        if uri not in self._watched and self._tasks is not None:
            self._watched[uri] = None
            try:
                await self._tasks.start(self._run, uri)
            except BaseException:
                self._watched.pop(uri, None)
                raise

    def remove(self, uri: str) -> None:
        self._changed.discard(uri)
        scope = self._watched.pop(uri, None)
        if scope is not None:
            scope.cancel()

    async def follow(self, watch: Watch) -> None:
        """Watch over one connection, until cancelled: what was watched before, and what is added."""
        self._watch = watch
        try:
            async with anyio.create_task_group() as self._tasks:
                for uri in list(self._watched):
                    self._tasks.start_soon(self._again, uri)
                await anyio.sleep_forever()
        finally:
            self._tasks = None

    async def _again(self, uri: str) -> None:
        try:
            await self._run(uri)
        except ServerError as error:
            self._drop(uri, error)

    async def _run(self, uri: str, *, task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        assert self._watch is not None
        status = _Status(task_status)
        with anyio.CancelScope() as scope:
            self._watched[uri] = scope
            try:
                await self._watch(uri, task_status=status)
            except ServerError as error:
                if not status.begun:
                    raise
                self._drop(uri, error)

    def _drop(self, uri: str, error: ServerError) -> None:
        self._watched.pop(uri, None)
        self._changed.discard(uri)
        self._lost(uri, error)


class _Status(anyio.abc.TaskStatus[None]):
    """A TaskStatus that knows whether it was told."""

    def __init__(self, status: anyio.abc.TaskStatus[None]) -> None:
        self._status = status
        self.begun = False

    def started(self, value: None = None) -> None:
        self.begun = True
        self._status.started()

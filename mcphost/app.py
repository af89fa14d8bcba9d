"""Composition: Config + Registry + Frontend -> Host."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from mcphost import commands
from mcphost.approvals import Coverage, Lock, Mode, Policy, Remembered
from mcphost.config.schema import CallOrigin, Config
from mcphost.host import Host
from mcphost.plugins import Registry
from mcphost.questions import Frontend
from mcphost.servers.eras import Eras
from mcphost.servers.process import Process
from mcphost.servers.reaper import Reaper

if TYPE_CHECKING:
    from mcphost.journal.sqlite import SqliteJournal
    from mcphost.recording.edges import Edges


def registry(config: Config) -> Registry:
    """Everything built in, then the user's plug-ins.

    Raises:
        ConfigError: a plug-in cannot be loaded.
    """
    filled = Registry()
    commands.register(filled)
    filled.load(config.plugins)
    return filled


def host(
    config: Config,
    registry: Registry,
    frontend: Frontend,
    *,
    environ: Mapping[str, str],
    mode: Mode = "ask",
    yolo: bool = False,
    origin: CallOrigin = "chat",
    remembered: Remembered | None = None,
    coverage: Coverage | None = None,
    lock: Lock | None = None,
    guard: bool = False,
    pauses: bool = False,
    system: str = "",
    spill: Path | None = None,
    processes: Mapping[str, Process] | None = None,
    reaper: Reaper | None = None,
    eras: Eras | None = None,
    journal: SqliteJournal | None = None,
    edges: Edges | None = None,
) -> Host:
    """A Host as the command line wants it; arguments as for Host and Policy. `journal` also notes who allowed what."""
    return Host(
        config,
        frontend=frontend,
        policy=Policy(
            config.rules,
            default=config.default,
            mode=mode,
            yolo=yolo,
            origin=origin,
            remembered=remembered,
            coverage=coverage,
            lock=lock,
        ),
        system=system,
        spill=spill,
        guard=guard,
        pauses=pauses,
        environ=environ,
        apis=registry.apis,
        listeners=(*registry.listeners, journal.note) if journal else registry.listeners,
        journal=journal,
        edges=edges,
        processes=processes,
        reaper=reaper,
        eras=eras,
    )

"""The reaper: one /bin/sh per host that outlives it by a moment, so that no server outlives it for good (law 4).

The host tells it each process group over a pipe. When the pipe closes, also because the host was killed with -9, the
shell ends every group it still knows, then on Linux whatever carries this host's mark in its environment: children
that left their group for a session of their own, and a server that was just being spawned. A process that wiped its
environment escapes; so does one that left its group where there is no /proc.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import weakref

MARK = "MCPHOST_RUN"
"""The environment variable that every server and its descendants carry: its value is `Reaper.run_id`."""

# Groups that are gone before TERM are not sent KILL: their number may be somebody else's by then.
_SCRIPT = f"""
trap '' INT HUP TERM QUIT PIPE
groups=' '
while read -r sign group; do
    case $sign in
    +) groups="$groups$group " ;;
    -) case $groups in *" $group "*) groups="${{groups%%" $group "*}} ${{groups#*" $group "}}" ;; esac ;;
    esac
done
alive=
for group in $groups; do kill -TERM "-$group" 2>/dev/null && alive="$alive $group"; done
[ -z "$alive" ] || sleep 0.3 || sleep 1
for group in $alive; do kill -KILL "-$group" 2>/dev/null; done
[ -r /proc/self/environ ] || exit 0
for round in 1 2 3 4 5 6 7 8 9; do
    found=
    for file in $(grep -l "{MARK}=$1" /proc/[0-9]*/environ 2>/dev/null); do
        pid=${{file#/proc/}}
        kill -KILL "${{pid%/environ}}" 2>/dev/null && found=1
    done
    [ -n "$found" ] || exit 0
    sleep 0.05
done
"""
_SHIELDED = {signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGQUIT}
_CLOSE = 2.0  # seconds that close() waits for the shell

_reapers: weakref.WeakSet[Reaper] = weakref.WeakSet()


class Reaper:
    """Ends this host's servers when the host ends, however it ends. Running once constructed: build it before the
    first server is spawned, and share it among all servers of a host.

    A reaper that was itself killed is started again at the next `add` or `remove`. Where no shell can be started,
    servers still end with an orderly host, just not with one that was killed.
    """

    def __init__(self) -> None:
        self.run_id = os.urandom(16).hex()
        self._groups: set[int] = set()
        self._lock = threading.Lock()
        self._pipe = -1
        self._shell: subprocess.Popen[bytes] | None = None
        self._start()
        _reapers.add(self)

    @property
    def pid(self) -> int | None:
        return self._shell.pid if self._shell else None

    def add(self, group: int) -> None:
        """`group` is to die with the host."""
        self._groups.add(group)
        self._tell(f"+ {group}\n")

    def remove(self, group: int) -> None:
        """`group` is gone."""
        self._groups.discard(group)
        self._tell(f"- {group}\n")

    def close(self) -> None:
        """End what is left of the servers, then the reaper. Blocks for some 20 ms when all were stopped before, for
        0.4 s when not, for 2 s at the very most. Closing again does nothing."""
        with self._lock:
            if self._pipe < 0:
                return
            self._disconnect()
        if self._shell:
            try:
                self._shell.wait(_CLOSE)
            except subprocess.TimeoutExpired:
                pass

    def _tell(self, line: str) -> None:
        with self._lock:
            if self._pipe < 0:
                return
            try:
                os.write(self._pipe, line.encode())
            except BrokenPipeError:
                self._restart()

    def _restart(self) -> None:
        if self._shell:
            self._shell.wait()
        self._disconnect()
        self._start()
        try:
            os.write(self._pipe, "".join(f"+ {group}\n" for group in self._groups).encode())
        except BrokenPipeError:  # tried again at the next change
            pass

    def _start(self) -> None:
        reading, self._pipe = os.pipe()
        # The shell inherits the blocked signals: a Ctrl+C before it has a session of its own must not end it.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, _SHIELDED)
        try:
            self._shell = subprocess.Popen(
                ["/bin/sh", "-c", _SCRIPT, "mcphost-reaper", self.run_id],
                stdin=reading,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env={"PATH": os.defpath},
                start_new_session=True,
            )
        except OSError:
            self._shell = None
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            os.close(reading)

    def _disconnect(self) -> None:
        os.close(self._pipe)
        self._pipe = -1

    def _forked(self) -> None:
        """In a forked child: its copy of the pipe would keep the reaper waiting after the host's death."""
        if self._pipe >= 0:
            self._disconnect()


def _close_pipes_in_child() -> None:
    for reaper in list(_reapers):
        reaper._forked()


os.register_at_fork(after_in_child=_close_pipes_in_child)

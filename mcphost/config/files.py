"""Reading one configuration file, whatever the path leads to: never blocking, never more than `SIZE` bytes."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from mcphost.errors import ConfigError

SIZE = 1024 * 1024  # bytes

_OTHER_KINDS = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def read_text(path: Path) -> tuple[str, tuple[str, ...]]:
    """The text of a configuration file, and warnings about the file itself.

    Raises:
        FileNotFoundError: there is none.
        ConfigError: it is no regular file, larger than `SIZE`, not UTF-8, or cannot be read.
    """
    try:
        data, mode = _read(path)
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"{path}: cannot be read: {reason}", file=str(path)) from error
    if len(data) > SIZE:
        raise ConfigError(f"{path}: larger than 1 MiB; a configuration file is not", file=str(path))
    warnings = []
    if mode & stat.S_IWOTH:
        warnings.append(f"{path}: every user of this machine may change this file; run: chmod o-w '{path}'")
    return _decode(path, data), tuple(warnings)


def _read(path: Path) -> tuple[bytes, int]:
    # O_NONBLOCK: opening a pipe that nobody writes to would wait for ever.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            kind = next((kind for test, kind in _OTHER_KINDS if test(mode)), "something else")
            raise ConfigError(f"{path}: found {kind}; expected a regular file", file=str(path))
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(SIZE + 1), mode
    finally:
        os.close(descriptor)


def _decode(path: Path, data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        utf16 = data[:2] in (b"\xff\xfe", b"\xfe\xff")
        what = "found UTF-16" if utf16 else f"found the byte 0x{data[error.start]:02X}"
        raise ConfigError(
            f"{path}:{line}: {what}; expected UTF-8",
            hint='Save the file with the encoding "UTF-8".',
            file=str(path),
            line=line,
        ) from error

"""Files of the person's own that a message mentions."""

from __future__ import annotations

import base64
import mimetypes
import os
from pathlib import Path

from mcphost.errors import UsageError
from mcphost.messages import Block
from mcphost.text import one_line

MOST_BYTES = 10 * 1024 * 1024


def attached(name: str) -> Block | None:
    """The file `name` as an embedded resource: as text where it is UTF-8. None: there is no such file.

    Raises:
        UsageError: it cannot be read, or is larger than `MOST_BYTES`.
    """
    try:
        path = Path(os.path.expanduser(name))
        if not path.is_file():
            return None
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        raise UsageError(f"{one_line(name, 300)} cannot be attached: {error}") from None
    if len(data) > MOST_BYTES:
        raise UsageError(
            f"{one_line(name, 300)} is larger than {MOST_BYTES // 1024**2} MiB, which is too much to attach"
        )
    resource = {"uri": path.absolute().as_uri()}
    if kind := mimetypes.guess_type(path.name)[0]:
        resource["mimeType"] = kind
    try:
        return {"type": "resource", "resource": {**resource, "text": data.decode("utf-8")}}
    except UnicodeDecodeError:
        return {"type": "resource", "resource": {**resource, "blob": base64.b64encode(data).decode()}}

"""A server that ignores EOF and SIGTERM, and so do its two children, one of them in a session of its own.

Prints "ready" on stdout when all three run. With --quit the leader itself exits then.
"""

import signal
import subprocess
import sys
import time

IGNORE = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"

signal.signal(signal.SIGTERM, signal.SIG_IGN)
children = [
    subprocess.Popen([sys.executable, "-c", IGNORE], stdout=subprocess.PIPE, start_new_session=own)
    for own in (False, True)
]
for child in children:
    assert child.stdout is not None
    child.stdout.readline()
print("ready", flush=True)
if "--quit" not in sys.argv:
    time.sleep(60)

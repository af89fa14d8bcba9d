"""A host to be killed: spawns stubborn servers by the product's own code, says "ready", then waits.

host.py COUNT
"""

import os
import sys
import time
from pathlib import Path

from mcphost.config.schema import ServerConfig
from mcphost.servers.process import Reaper, spawn

STUBBORN = str(Path(__file__).with_name("stubborn.py"))

reaper = Reaper()
processes = [
    spawn(ServerConfig(f"s{number}", sys.executable, (STUBBORN,)), os.environ, reaper=reaper)
    for number in range(int(sys.argv[1]))
]
for process in processes:
    process.stdout.readline()
print("ready", flush=True)
time.sleep(60)

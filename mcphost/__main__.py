"""`python -P -m mcphost`: the command line where its script is not on the PATH."""

import os
import sys

# Without -P the working directory is on the path, and a module planted there would be imported (and run).
if not sys.flags.safe_path and sys.path[0] in ("", os.getcwd()):
    del sys.path[0]

from mcphost.cli import main

if __name__ == "__main__":
    main()

"""The operator's own command line, typed as an operator would type it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

LIMIT_SECONDS = 60


def diwan(config: Path, *arguments: str) -> Any:
    """Run `diwan --json …` and return what it printed.

    Raises:
        RuntimeError: it ended with another status than 0.
    """
    program = Path(sys.executable).parent / "diwan"
    done = subprocess.run(
        [str(program), "--json", *arguments],
        env={**os.environ, "DIWAN_CONFIG": str(config)},
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"diwan {' '.join(arguments[:2])} failed: {done.stderr.strip()}")
    return json.loads(done.stdout)

"""The operator's command line, `diwan`, run as a program."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

TIMEOUT_SECONDS = 60


def diwan(config: Path, *arguments: str) -> Any:
    """Run `diwan --json …` and return its output, parsed.

    Raises:
        RuntimeError: its exit status is not 0; the text holds its standard error.
    """
    program = Path(sys.executable).parent / "diwan"
    completed = subprocess.run(
        [str(program), "--json", *arguments],
        env={**os.environ, "DIWAN_CONFIG": str(config)},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    if completed.returncode:
        raise RuntimeError(f"diwan {' '.join(arguments[:2])} failed: {completed.stderr.strip()}")
    return json.loads(completed.stdout)

"""Run the tests again and again, print what each run took, and stop at the first that fails, with its log kept.

python scripts/repeat.py 20 [pytest's arguments]
"""

import statistics
import subprocess
import sys
import time
from pathlib import Path

from check import ROOT, TESTS

LOGS = ROOT / ".test-repeat"
LAST_LINES = 40


def run(log: Path, arguments: list[str]) -> tuple[float, bool]:
    """Seconds of one run with its output in `log`, and whether it passed."""
    started = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603  our own table
            [*TESTS.command, *arguments], cwd=ROOT, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            process.wait()
        except KeyboardInterrupt:
            process.wait()  # the tests are interrupted too, and have processes to stop
            raise
    return time.monotonic() - started, process.returncode == 0


def main() -> None:
    """Run, count, and exit with 1 if a run failed."""
    count, arguments = int(sys.argv[1]), sys.argv[2:]
    LOGS.mkdir(exist_ok=True)
    took: list[float] = []
    for number in range(1, count + 1):
        log = LOGS / f"{number:03}.log"
        seconds, passed = run(log, arguments)
        took.append(seconds)
        print(f"run {number} of {count}: {'passed' if passed else 'FAILED'} in {seconds:.1f} s", flush=True)
        if not passed:
            print("\n".join(log.read_text(errors="replace").splitlines()[-LAST_LINES:]))
            break
        log.unlink()
    print(
        f"{len(took)} runs: min {min(took):.1f} s, median {statistics.median(took):.1f} s, max {max(took):.1f} s"
    )
    if not passed:
        sys.exit(f"failed: run {number}; all that it printed is in {log}")


if __name__ == "__main__":
    main()

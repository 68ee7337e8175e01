"""Run the tests repeatedly, print the duration of each run, and stop at the first failure, whose log is kept."""

import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TESTS = (sys.executable, "scripts/check.py", "--tests")
LOGS = ROOT / ".test-repeat"
LAST_LINES = 40


def run(log: Path) -> tuple[float, bool]:
    """Run the tests once with their output in `log`; return the duration in seconds, and whether they passed."""
    started = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(TESTS, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)  # noqa: S603  our own
        try:
            process.wait()
        except KeyboardInterrupt:
            process.wait()  # Ctrl-C reaches the process too, and it may have processes to stop
            raise
    return time.monotonic() - started, process.returncode == 0


def main() -> None:
    """`repeat.py N`: run the tests at most N times; exit with 1 if a run failed."""
    count = int(sys.argv[1])
    LOGS.mkdir(exist_ok=True)
    durations: list[float] = []
    failed = ""
    while len(durations) < count and not failed:
        log = LOGS / f"{len(durations) + 1:03}.log"
        seconds, passed = run(log)
        durations.append(seconds)
        print(
            f"run {len(durations)} of {count}: {'passed' if passed else 'FAILED'} in {seconds:.1f} s",
            flush=True,
        )
        if passed:
            log.unlink()
        else:
            print("\n".join(log.read_text(errors="replace").splitlines()[-LAST_LINES:]))
            failed = f"failed: run {len(durations)}; its output is in {log}"
    print(
        f"{len(durations)} runs: min {min(durations):.1f} s, median {statistics.median(durations):.1f} s, "
        f"max {max(durations):.1f} s"
    )
    sys.exit(failed or None)


if __name__ == "__main__":
    main()

"""Run the tests again and again, print what each run took, and stop at the first that fails, with its log kept."""

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
    """Seconds of one run with its output in `log`, and whether it passed."""
    started = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(TESTS, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)  # noqa: S603  our own
        try:
            process.wait()
        except KeyboardInterrupt:
            process.wait()  # it is interrupted too, and has processes to stop
            raise
    return time.monotonic() - started, process.returncode == 0


def main() -> None:
    """`repeat.py N`: N runs at most; exit with 1 if one failed."""
    count = int(sys.argv[1])
    LOGS.mkdir(exist_ok=True)
    took: list[float] = []
    failed = ""
    while len(took) < count and not failed:
        log = LOGS / f"{len(took) + 1:03}.log"
        seconds, passed = run(log)
        took.append(seconds)
        print(
            f"run {len(took)} of {count}: {'passed' if passed else 'FAILED'} in {seconds:.1f} s", flush=True
        )
        if passed:
            log.unlink()
        else:
            print("\n".join(log.read_text(errors="replace").splitlines()[-LAST_LINES:]))
            failed = f"failed: run {len(took)}; all that it printed is in {log}"
    print(
        f"{len(took)} runs: min {min(took):.1f} s, median {statistics.median(took):.1f} s, max {max(took):.1f} s"
    )
    sys.exit(failed or None)


if __name__ == "__main__":
    main()

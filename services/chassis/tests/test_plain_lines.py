"""Every line of a program is JSON, also those of the interpreter and of libraries."""

import json
import subprocess
import sys

import pytest

SETUP = """
import sys, threading, traceback, warnings
from chassis import log, plain_lines
log.setup("trial")
plain_lines.capture()
"""
SECRET = "Fatma 29001011234567"
CASES = {
    "thread": f"t = threading.Thread(target=lambda: [][int('{SECRET}')]); t.start(); t.join()",
    "uncaught": f"raise ValueError('{SECRET}')",
    "printed trace": f"""
try:
    raise ValueError('{SECRET}')
except ValueError:
    traceback.print_exc()
""",
    "finalizer": f"""
class Broken:
    def __del__(self):
        raise ValueError('{SECRET}')
Broken()
""",
    "failed log call": "import logging; logging.getLogger('x').error('%d', 'no number')",
    "warning": "warnings.warn('old')",
    "plain print": "print('a library says', file=sys.stderr); sys.stderr.write('and '); sys.stderr.write('more\\n')",
    "task": f"""
import asyncio, gc
async def fail(): raise ValueError('{SECRET}')
async def main():
    asyncio.create_task(fail())
    await asyncio.sleep(0.01)
    gc.collect()
asyncio.run(main())
""",
}
GREENLET = f"""
from chassis import greenlets
greenlets.patch()
import eventlet
{SETUP}
def fail(): raise ValueError('{SECRET}')
eventlet.spawn_n(fail)
eventlet.spawn(fail)
eventlet.spawn_after(0, fail)
eventlet.sleep(0.05)
"""


def lines_of(program):
    """Run a program; return its lines on stdout and stderr, each parsed."""
    ran = subprocess.run(
        [sys.executable, "-W", "default", "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return [json.loads(line) for line in (ran.stdout + ran.stderr).splitlines()]


@pytest.mark.parametrize("case", CASES)
def test_a_plain_line_becomes_a_line_of_the_log(case):
    """Of an exception it has the class and the frames, never the text."""
    lines = lines_of(SETUP + CASES[case])

    assert lines
    assert SECRET.split(maxsplit=1)[0] not in json.dumps(lines)
    if SECRET in CASES[case]:
        assert any("ValueError" in line.get("exception", "") for line in lines)


def test_a_greenlets_trace_is_a_line_of_the_log():
    """The hub of eventlet prints it."""
    lines = lines_of(GREENLET)

    assert any("ValueError" in line.get("exception", "") for line in lines)
    assert "Fatma" not in json.dumps(lines)

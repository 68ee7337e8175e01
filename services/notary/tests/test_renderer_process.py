"""The processes of the renderer: what the main process loads, what they write, and what they leave behind."""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from notary.document_renderer import DocumentRenderer

from .document_samples import DOCUMENT, make_authority

TIMEOUT_SECONDS = 120
RUN = """
import asyncio, os, signal, sys, tempfile
from pathlib import Path
from chassis import log, plain_lines
log.setup("notary")
plain_lines.capture()
sys.path.insert(0, sys.argv[2])
from notary.document_renderer import DocumentRenderer, SignerFiles
from tests.document_samples import DOCUMENT

async def main():
    async with DocumentRenderer(SignerFiles.of(Path(sys.argv[1])), timeout_seconds=120) as renderer:
        await renderer.render(DOCUMENT)
        rendering = asyncio.create_task(renderer.render(DOCUMENT))
        await asyncio.sleep(0.05)
        os.kill(renderer.process_ids()[0], signal.SIGKILL)
        await rendering
    log.get("run").info("ended")

asyncio.run(main())
"""


@pytest.fixture
def short_folder():
    """Return a folder whose path leaves room for the name of a socket."""
    with tempfile.TemporaryDirectory(prefix="diwan-") as folder:
        yield Path(folder)


@pytest.mark.parametrize("role", ["api", "policies", "relay"])
def test_the_main_process_loads_neither_weasyprint_nor_pyhanko(role, tmp_path):
    """Only the renderer's own processes do: both cost seconds and memory in a process that never prints."""
    make_authority(tmp_path)
    program = (
        "import sys; from pathlib import Path; import notary.__main__ as main\n"
        f"if {role!r} == 'policies': main.DocumentRenderer(main.SignerFiles.of(Path({str(tmp_path)!r})))\n"
        "print(sorted({'weasyprint', 'pyhanko', 'fontTools'} & set(sys.modules)))"
    )

    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert ran.stdout.strip() == "[]"


def test_a_killed_process_leaves_no_file_and_every_line_is_json(tmp_path, short_folder):
    """From the start, through a document and a kill, to the end; its stderr belongs to the log as well."""
    make_authority(tmp_path / "keys")
    tests = str(Path(__file__).parent.parent)

    ran = subprocess.run(
        [sys.executable, "-c", RUN, str(tmp_path / "keys"), tests],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"TMPDIR": str(short_folder)},
        timeout=TIMEOUT_SECONDS,
    )

    lines = [json.loads(line) for line in (ran.stdout + ran.stderr).splitlines()]
    assert ran.returncode == 0
    assert lines[-1]["event"] == "ended"
    assert list(short_folder.iterdir()) == []


async def test_many_documents_wait_longer_than_the_limit_of_one(tmp_path):
    """The limit counts from the start of the work, so that the last of many is not late."""
    async with DocumentRenderer(make_authority(tmp_path).files, timeout_seconds=TIMEOUT_SECONDS) as renderer:
        clock = asyncio.get_running_loop().time
        started = clock()
        await renderer.render(DOCUMENT)
        renderer.timeout_seconds = 4 * (clock() - started)

        pdfs = await asyncio.gather(*(renderer.render(DOCUMENT) for _ in range(12)))

    assert all(pdf.startswith(b"%PDF-") for pdf in pdfs)

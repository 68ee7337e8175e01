"""The part of the lock file for an image."""

import importlib.util
import shlex
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
IMAGE = ROOT / "deploy" / "image"

REQUIREMENTS = """\
# Some words.

# services
Web_Server>=1

# development
linter==2
"""
LOCK = """\
linter==2.0 \\
    --hash=sha256:11
    # via -r requirements.in
sockets==3.0 ; sys_platform == 'linux' \\
    --hash=sha256:22 \\
    --hash=sha256:33
    # via
    #   linter
    #   web-server
web-server==1.4 \\
    --hash=sha256:44
    # via -r requirements.in
words==5.0 \\
    --hash=sha256:55
    # via sockets
"""


@pytest.fixture(scope="module")
def lock() -> ModuleType:
    spec = importlib.util.spec_from_file_location("image_lock", IMAGE / "lock.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def packages(text: str) -> set[str]:
    return {line.split("==")[0] for line in text.splitlines() if "==" in line.split(";")[0]}


def test_selects_a_section_with_its_dependencies(lock: ModuleType) -> None:
    """Package names match in any spelling."""
    chosen = lock.select(REQUIREMENTS, LOCK, ["services"])

    assert packages(chosen) == {"web-server", "sockets", "words"}


def test_keeps_hashes_and_markers(lock: ModuleType) -> None:
    """Each package keeps all its hashes and its environment marker."""
    chosen = lock.select(REQUIREMENTS, LOCK, ["linter"])

    assert (
        "sockets==3.0 ; sys_platform == 'linux' \\\n    --hash=sha256:22 \\\n    --hash=sha256:33\n" in chosen
    )
    assert "via" not in chosen


def test_names_an_unknown_section(lock: ModuleType) -> None:
    """The build fails with the name of the section."""
    with pytest.raises(lock.LockError, match="'servces'"):
        lock.select(REQUIREMENTS, LOCK, ["servces"])


def test_refuses_a_stale_lock(lock: ModuleType) -> None:
    """A required package that is not locked is an error."""
    with pytest.raises(lock.LockError, match="web-server"):
        lock.select(REQUIREMENTS, LOCK.replace("web-server==1.4", "waiter==1.4"), ["services"])


def test_refuses_a_package_without_a_hash(lock: ModuleType) -> None:
    """Every installed package is verified by its hash."""
    with pytest.raises(lock.LockError, match="words"):
        lock.select(REQUIREMENTS, LOCK.replace(" \\\n    --hash=sha256:55", ""), ["services"])


@pytest.mark.parametrize(
    ("wanted", "absent"),
    [
        (
            ["services and connectors", "services", "command line"],
            {"nameko", "weasyprint", "secantusdb", "pytest", "uv"},
        ),
        (
            ["services and connectors", "connectors"],
            {"grpcio", "motor", "pymongo", "pika", "uvloop", "secantusdb"},
        ),
        (["trying out"], {"grpcio", "nameko", "cryptography"}),
    ],
)
def test_images_hold_nothing_of_other_images(lock: ModuleType, wanted: list[str], absent: set[str]) -> None:
    """An image gets only the packages that it uses."""
    texts = ((ROOT / name).read_text() for name in ("requirements.in", "requirements.txt"))

    assert not packages(lock.select(*texts, wanted)) & absent


def test_containerfile_names_existing_sections(lock: ModuleType) -> None:
    """A renamed section fails here, not in a build."""
    titles = lock.sections((ROOT / "requirements.in").read_text())
    arguments = [
        line.split("lock.py", 1)[1]
        for line in (IMAGE / "Containerfile").read_text().splitlines()
        if 'lock.py "' in line
    ]

    named = {word for line in arguments for word in line.split('"')[1::2]}
    assert named
    assert named <= titles.keys()


def test_no_image_holds_the_test_kit(lock: ModuleType) -> None:
    """Neither the test kit nor the test runner is in a package set, a build instruction or the build context."""
    containerfile = (IMAGE / "Containerfile").read_text().splitlines()
    arguments = [line.split("python3 lock.py ", 1)[1] for line in containerfile if "python3 lock.py " in line]
    texts = [(ROOT / name).read_text() for name in ("requirements.in", "requirements.txt")]
    sets = [shlex.split(line.split(">")[0]) for line in arguments]

    assert len(sets) > 3
    assert not [wanted for wanted in sets if "pytest" in packages(lock.select(*texts, wanted))]
    assert not [line for line in containerfile if "testkit" in line]
    assert "services/testkit" in (IMAGE / "Containerfile.dockerignore").read_text().splitlines()

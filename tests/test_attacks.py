"""Attacks from outside: each probe passes, and fails as soon as one of the guards is removed from the code.

`make attack` runs the probes and the controls. The other tests check the table in every run.
"""

import ast
import os
import subprocess
import sys

import pytest

from tests.checkout_copy import ROOT, Checkout

from .attacks import Attack, Guard, read

ATTACKS = read()
GUARDS = [guard for attack in ATTACKS for guard in attack.guards]
ENABLED = os.environ.get("DIWAN_TEST_ATTACK") == "1"
attacks_only = pytest.mark.skipif(not ENABLED, reason="takes minutes: `make attack` runs it")
PYTEST = ("-m", "pytest", "-rA", "--tb=short", "-n", "0")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory) -> Checkout:
    """A copy of the checkout, from which guards are removed."""
    return Checkout.copy(tmp_path_factory.mktemp("checkout"))


def probe_of(guard: Guard) -> str:
    return next(attack.probe for attack in ATTACKS if guard in attack.guards)


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: f"{guard.attack}-{guard.file}")
def test_each_guard_is_in_the_code(guard):
    weakened = guard.removed_from((ROOT / guard.file).read_text(encoding="utf-8"))
    if guard.file.endswith(".py"):
        ast.parse(weakened)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_each_attack_has_a_probe_and_a_guard(attack: Attack):
    path, _, test = attack.probe.partition("::")
    names = {
        node.name
        for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert test.partition("[")[0] in names
    assert attack.guards


@attacks_only
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_the_platform_resists(attack: Attack):
    completed = subprocess.run(
        [sys.executable, *PYTEST, attack.probe], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert completed.returncode == 0, completed.stdout
    assert f"PASSED {attack.probe}" in completed.stdout, completed.stdout


@attacks_only
@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: f"{guard.attack}-{guard.file}")
def test_the_probe_notices_a_removed_guard(guard: Guard, checkout: Checkout):
    path, probe = checkout.folder / guard.file, probe_of(guard)
    complete = path.read_text(encoding="utf-8")
    path.write_text(guard.removed_from(complete), encoding="utf-8")
    try:
        completed = checkout.run("python", *PYTEST, probe)
    finally:
        path.write_text(complete, encoding="utf-8")
    # A probe that cannot start is an error, which proves nothing.
    assert completed.returncode == 1, completed.stdout
    assert f"FAILED {probe}" in completed.stdout, completed.stdout

"""A scenario for every changing RPC: a new request, and its effect after one execution.

An effect is visible from outside the service: documents in its store, events with the request as their cause, their
effects in other services, messages on a phone, lines in a log.

A module `scenarios_<service>` contains `SERVICE`, the full name of the service in its proto; `SCENARIOS`, by the name
of the RPC; and `principal_call`, which returns an RPC that the principal of a journey may call.
"""

from importlib import import_module
from pathlib import Path

from .scenario import PrincipalCall, Scenario

__all__ = ["PRINCIPAL_CALLS", "SCENARIOS", "PrincipalCall", "Scenario"]

_MODULES = [
    import_module(f".{path.stem}", __package__)
    for path in sorted(Path(__file__).parent.glob("scenarios_*.py"))
]

SCENARIOS = {f"{module.SERVICE}.{rpc}": make for module in _MODULES for rpc, make in module.SCENARIOS.items()}
"""Full name of an RPC -> function that prepares its scenario."""

PRINCIPAL_CALLS = {
    module.SERVICE.split(".")[1]: module.principal_call
    for module in _MODULES
    if hasattr(module, "principal_call")
}
"""Name of a service -> function that returns the call of a journey's principal."""

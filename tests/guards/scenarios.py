"""For every changing RPC a scenario in which it is asked for: a fresh request, and what its one effect looks like.

An effect is what can be seen from outside the service: documents in its store, events that it published because of
the request, what they led to in other services, messages on a phone, lines in a log.

A module `scenarios_<service>` holds `SERVICE`, the full name of the service in its proto; `SCENARIOS`, by the name of
the RPC; and `question`, a call that the principal of a journey may make there.
"""

from importlib import import_module
from pathlib import Path

from .scenario import Question, Scenario

__all__ = ["QUESTIONS", "SCENARIOS", "Question", "Scenario"]

_MODULES = [
    import_module(f".{path.stem}", __package__)
    for path in sorted(Path(__file__).parent.glob("scenarios_*.py"))
]

SCENARIOS = {f"{module.SERVICE}.{rpc}": make for module in _MODULES for rpc, make in module.SCENARIOS.items()}
"""Full name of an RPC -> what brings its scenario about."""

QUESTIONS = {
    module.SERVICE.split(".")[1]: module.question for module in _MODULES if hasattr(module, "question")
}
"""Name of a service -> RPC and request that its API answers to the principal of a journey."""

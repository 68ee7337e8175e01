"""A scenario for every changing RPC: a new request, and its effect after one execution.

An effect is visible from outside the service: documents in its store, events with the request as their cause, their
effects in other services, messages on a phone, lines in a log.
"""

from . import scenarios_identity, scenarios_notary, scenarios_operations, scenarios_payments
from .scenario import Scenario

__all__ = ["SCENARIOS", "Scenario"]

SCENARIOS = {
    f"{service}.{rpc}": make
    for service, table in {
        "diwan.identity.v1.IdentityService": scenarios_identity.SCENARIOS,
        "diwan.payments.v1.PaymentService": scenarios_payments.SCENARIOS,
        "diwan.notary.v1.PowerOfAttorneyService": scenarios_notary.SCENARIOS,
        "diwan.operations.v1.OperationsService": scenarios_operations.SCENARIOS,
    }.items()
    for rpc, make in table.items()
}
"""Full name of an RPC -> function that prepares its scenario."""

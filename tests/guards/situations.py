"""For every changing RPC a situation in which it is asked for: a fresh request, and what its one effect looks like.

An effect is what can be seen from outside the service: documents in its store, events that it published because of
the request, what they led to in other services, messages on a phone, lines in a log.
"""

from . import situations_identity, situations_notary, situations_operations, situations_payments
from .situation import Situation

__all__ = ["SITUATIONS", "Situation"]

SITUATIONS = {
    f"{service}.{rpc}": make
    for service, table in {
        "diwan.identity.v1.IdentityService": situations_identity.SITUATIONS,
        "diwan.payments.v1.PaymentService": situations_payments.SITUATIONS,
        "diwan.notary.v1.PowerOfAttorneyService": situations_notary.SITUATIONS,
        "diwan.operations.v1.OperationsService": situations_operations.SITUATIONS,
    }.items()
    for rpc, make in table.items()
}
"""Full name of an RPC -> what brings its situation about."""

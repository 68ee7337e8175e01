"""RPCs: who calls, the call in hand; the server is in `chassis.rpc.server`, clients in `chassis.rpc.client`.

Only these two know gRPC, so that who needs a `Caller` does not load it.
"""

from chassis.rpc.caller import ANONYMOUS, Caller, Kind
from chassis.rpc.current import Call, call, remaining

__all__ = ["ANONYMOUS", "Call", "Caller", "Kind", "call", "remaining"]

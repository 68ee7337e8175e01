"""Run by test_new_service.py in a checkout that has the service parcels: opens a parcel on the embedded stack.

Of the stack only what the service needs is started. Fails unless the service's policy has acknowledged the parcel.
"""

import sys
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path

from chassis.caller import Caller, Kind
from chassis.tokens import read_key, sign_access
from demo.calls import Platform
from demo.session import Session
from diwan.parcels.v1 import parcels_pb2 as pb
from embedded import keys, store_users
from embedded.layout import Layout
from testkit.stack import empty_stack

NEEDED = ("broker", "collector", "identity-store", "parcels-store", "identity", "parcels")
TIMEOUT_SECONDS = 30
POLL_SECONDS = 0.1


def main(folder: Path) -> None:
    """Start, call, wait for the policy, and stop."""
    stack = empty_stack(folder)
    layout = stack.layout
    keys.make(layout)
    try:
        store_users.make(layout)
        for name in NEEDED:
            stack.restart(name)
        assert acknowledged(layout).state == pb.PARCEL_STATE_ACKNOWLEDGED
    finally:
        stack.down()


def acknowledged(layout: Layout) -> pb.Parcel:
    """A parcel opened by RPC, as it is once its event has come back from the broker, or at the end of the time."""
    caller = Caller(kind=Kind.CITIZEN, id=str(uuid.uuid4()), channel="portal")
    key = read_key(layout.keys / "identity" / "signing.jwk")
    token = sign_access(key, caller, audience="parcels", now=datetime.now(UTC), jti=str(uuid.uuid4()))
    session = Session({"parcels": token}, "")
    platform = Platform({"parcels": f"127.0.0.1:{layout.ports()['parcels-grpc']}"})
    parcel = platform.call("parcels", "OpenParcel", pb.OpenParcelRequest(title="first"), session)
    end = time.monotonic() + TIMEOUT_SECONDS
    while parcel.state != pb.PARCEL_STATE_ACKNOWLEDGED and time.monotonic() < end:
        time.sleep(POLL_SECONDS)
        request = pb.GetParcelRequest(parcel_id=parcel.parcel_id)
        parcel = platform.call("parcels", "GetParcel", request, session)
    platform.close()
    return parcel


if __name__ == "__main__":
    main(Path(sys.argv[1]))

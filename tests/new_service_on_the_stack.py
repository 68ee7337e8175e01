"""Open a parcel on the embedded stack; test_new_service.py runs this in a checkout with the service parcels.

Only the programs that the service needs are started. The script fails unless the service's policy acknowledges the
parcel.
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
    """Start the programs, open a parcel, wait for the policy, and stop the programs."""
    stack = empty_stack(folder)
    layout = stack.layout
    keys.make(layout)
    try:
        store_users.make(layout)
        for name in NEEDED:
            stack.restart(name)
        assert open_parcel(layout).state == pb.PARCEL_STATE_ACKNOWLEDGED
    finally:
        stack.down()


def open_parcel(layout: Layout) -> pb.Parcel:
    """Open a parcel by RPC; return it once it is acknowledged, or after the timeout."""
    caller = Caller(kind=Kind.CITIZEN, id=str(uuid.uuid4()), channel="portal")
    key = read_key(layout.keys / "identity" / "signing.jwk")
    token = sign_access(key, caller, audience="parcels", now=datetime.now(UTC), jti=str(uuid.uuid4()))
    session = Session({"parcels": token}, "")
    platform = Platform({"parcels": f"127.0.0.1:{layout.ports()['parcels-grpc']}"})
    parcel = platform.call("parcels", "OpenParcel", pb.OpenParcelRequest(title="first"), session)
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while parcel.state != pb.PARCEL_STATE_ACKNOWLEDGED and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
        request = pb.GetParcelRequest(parcel_id=parcel.parcel_id)
        parcel = platform.call("parcels", "GetParcel", request, session)
    platform.close()
    return parcel


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""Open a specimen on the embedded stack; test_new_service.py runs this in a checkout with the service specimens.

Only the programs that the service needs are started. The script fails unless the service's policy acknowledges the
specimen.
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
from diwan.specimens.v1 import specimens_pb2 as pb
from embedded import keys, store_users
from embedded.layout import Layout
from testkit.stack import empty_stack

NEEDED = ("broker", "collector", "identity-store", "specimens-store", "identity", "specimens")
TIMEOUT_SECONDS = 30
POLL_SECONDS = 0.1


def main(folder: Path) -> None:
    """Start the programs, open a specimen, wait for the policy, and stop the programs."""
    stack = empty_stack(folder)
    layout = stack.layout
    keys.make(layout)
    try:
        store_users.make(layout)
        for name in NEEDED:
            stack.restart(name)
        assert open_specimen(layout).state == pb.SPECIMEN_STATE_ACKNOWLEDGED
    finally:
        stack.down()


def open_specimen(layout: Layout) -> pb.Specimen:
    """Open a specimen by RPC; return it once it is acknowledged, or after the timeout."""
    caller = Caller(kind=Kind.CITIZEN, id=str(uuid.uuid4()), channel="portal")
    key = read_key(layout.keys / "identity" / "signing.jwk")
    token = sign_access(key, caller, audience="specimens", now=datetime.now(UTC), jti=str(uuid.uuid4()))
    session = Session({"specimens": token}, "")
    platform = Platform({"specimens": f"127.0.0.1:{layout.ports()['specimens-grpc']}"})
    specimen = platform.call("specimens", "OpenSpecimen", pb.OpenSpecimenRequest(title="first"), session)
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while specimen.state != pb.SPECIMEN_STATE_ACKNOWLEDGED and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
        request = pb.GetSpecimenRequest(specimen_id=specimen.specimen_id)
        specimen = platform.call("specimens", "GetSpecimen", request, session)
    platform.close()
    return specimen


if __name__ == "__main__":
    main(Path(sys.argv[1]))

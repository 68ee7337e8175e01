"""`diwan officer`: officers."""

import click
from diwan.identity.v1 import identity_pb2, identity_pb2_grpc

from diwanctl.connection import call
from diwanctl.output import as_dict, emit


@click.group()
def officer() -> None:
    """Officers of the state."""


@officer.command()
@click.option("--staff-number", required=True, help="Unique in the country, such as ADM-0001.")
@click.option("--national-id", required=True, help="14 digits.")
@click.option("--mobile", required=True, help="E.164, such as +201012345678.")
@click.pass_context
def bootstrap(context: click.Context, staff_number: str, national_id: str, mobile: str) -> None:
    """Register the first administrator; refused once there is one."""
    request = identity_pb2.RegisterOfficerRequest(
        staff_number=staff_number, national_id=national_id, mobile=mobile, roles=["administrator"]
    )
    registered = call(context, "identity", identity_pb2_grpc.IdentityServiceStub, "RegisterOfficer", request)
    emit(context, as_dict(registered))

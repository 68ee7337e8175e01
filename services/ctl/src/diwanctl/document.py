"""`diwan verify`: issued documents."""

import click
from diwan.notary.v1 import notary_pb2, notary_pb2_grpc

from diwanctl.connection import call
from diwanctl.output import as_dict, emit


@click.command()
@click.argument("number")
@click.argument("code")
@click.pass_context
def verify(context: click.Context, number: str, code: str) -> None:
    """Verify a power of attorney by the NUMBER and CODE printed on it."""
    request = notary_pb2.VerifyPowerOfAttorneyRequest(number=number, verification_code=code)
    stub = notary_pb2_grpc.PowerOfAttorneyServiceStub
    emit(context, as_dict(call(context, "notary", stub, "VerifyPowerOfAttorney", request)))

"""The caller of an RPC and the check of its access: by token, access option, and, if that says so, identity."""

from collections.abc import Mapping

from chassis.caller import ANONYMOUS, Caller
from chassis.errors import TokenMissing
from chassis.rpc.access import Access
from chassis.tokens import TokenKeys


async def authenticate(keys: TokenKeys, access: Access, metadata: Mapping[str, str]) -> Caller:
    """The caller of an RPC, by the bearer token in the call's metadata.

    Raises:
        TokenMissing, TokenExpired, TokenInvalid, TokenRevoked, KeysUnavailable.
    """
    if access.anyone:
        # A token is ignored here. Otherwise a request that is repeated after its token has expired, or with
        # another one, would have another caller, and be executed a second time.
        return ANONYMOUS
    return await keys.caller(bearer(metadata))


async def authorise(keys: TokenKeys, access: Access, caller: Caller, metadata: Mapping[str, str]) -> None:
    """Check the RPC's access option, and ask identity about the token where the option says so.

    Raises:
        AccessDenied, TokenRevoked.
        grpc.RpcError: identity does not answer.
    """
    access.check(caller)
    if access.asks_identity(caller):
        await keys.verify_at_identity(bearer(metadata))


def bearer(metadata: Mapping[str, str]) -> str:
    """The bearer token in the call's metadata. Raises TokenMissing."""
    scheme, _, token = metadata.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise TokenMissing("This RPC requires a bearer token")
    return token

"""Notary's reads of identity's accounts: of principals and agents. Each states its account and its purpose."""

from dataclasses import dataclass
from typing import Any

import grpc
from chassis.errors import AccessDenied
from chassis.rpc.client import failure_of
from chassis.tokens import acting_for
from diwan.identity.v1 import identity_pb2, identity_pb2_grpc

from notary.model.content import Party
from notary.model.errors import NationalIdInvalid

PURPOSE = "notary.power_of_attorney.draft"


@dataclass(frozen=True)
class Account:
    """A party and the governorate (two digits) of their residence."""

    party: Party
    governorate: str


class Accounts:
    """Identity's accounts, over a channel with notary's own token; a citizen's token is never passed on."""

    def __init__(self, channel: Any) -> None:
        self._stub = identity_pb2_grpc.IdentityServiceStub(channel)

    async def by_id(self, account_id: str) -> Account:
        """The caller's own account.

        Raises:
            AccessDenied: the account no longer exists, though its token is still valid.
        """
        request = identity_pb2.GetAccountRequest(account_id=account_id, purpose=PURPOSE)
        account = await self._get(request, account_id)
        if account is None:
            raise AccessDenied("The caller's account does not exist")
        return account

    async def by_national_id(self, national_id: str, first_name: str, acting_for: str) -> Account | None:
        """The account of a national ID, if the first name matches, else None; in the name of account `acting_for`.

        Raises:
            NationalIdInvalid: with the wrong `part`, such as an impossible date of birth.
        """
        request = identity_pb2.GetAccountRequest(
            national_id=national_id, first_name=first_name, purpose=PURPOSE
        )
        return await self._get(request, acting_for)

    async def _get(self, request: identity_pb2.GetAccountRequest, account_id: str) -> Account | None:
        token = acting_for.set(account_id)
        try:
            account: identity_pb2.Account = await self._stub.GetAccount(request)
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.NOT_FOUND:
                return None
            failure = failure_of(error)
            if failure.reason == NationalIdInvalid.reason:
                raise NationalIdInvalid(**failure.metadata) from None
            raise
        finally:
            acting_for.reset(token)
        party = Party(account.account_id, account.person_id, account.full_name, account.national_id)
        return Account(party, account.governorate)

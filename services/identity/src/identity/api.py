"""Translation between protobuf messages and the model."""

from chassis.rpc.current import call
from diwan.identity.v1 import identity_pb2 as pb
from diwan.identity.v1 import identity_pb2_grpc as pb_grpc

from identity import commands, queries
from identity.commands.codes import constant_time_response
from identity.context import Context


class IdentityApi(pb_grpc.IdentityServiceServicer):
    """gRPC servicer of IdentityService."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx

    async def StartEnrolment(
        self, request: pb.StartEnrolmentRequest, context: object
    ) -> pb.StartEnrolmentResponse:
        async with constant_time_response():
            return await commands.start_enrolment(self._ctx, call(), request)

    async def CompleteEnrolment(self, request: pb.CompleteEnrolmentRequest, context: object) -> pb.Account:
        return await commands.complete_enrolment(self._ctx, call(), request)

    async def EnrolAtCounter(self, request: pb.EnrolAtCounterRequest, context: object) -> pb.Account:
        return await commands.enrol_at_counter(self._ctx, call(), request)

    async def StartSignIn(self, request: pb.StartSignInRequest, context: object) -> pb.StartSignInResponse:
        async with constant_time_response():
            return await commands.start_sign_in(self._ctx, call(), request)

    async def CompleteSignIn(self, request: pb.CompleteSignInRequest, context: object) -> pb.TokenPair:
        return await commands.complete_sign_in(self._ctx, call(), request)

    async def RefreshToken(self, request: pb.RefreshTokenRequest, context: object) -> pb.TokenPair:
        return await commands.refresh(self._ctx, call(), request)

    async def SignOut(self, request: pb.SignOutRequest, context: object) -> pb.SignOutResponse:
        return await commands.sign_out(self._ctx, call(), request)

    async def SignOutEverywhere(
        self, request: pb.SignOutEverywhereRequest, context: object
    ) -> pb.SignOutEverywhereResponse:
        return await commands.sign_out_everywhere(self._ctx, call(), request)

    async def StartConfirmation(
        self, request: pb.StartConfirmationRequest, context: object
    ) -> pb.StartConfirmationResponse:
        return await commands.start_confirmation(self._ctx, call(), request)

    async def CompleteConfirmation(
        self, request: pb.CompleteConfirmationRequest, context: object
    ) -> pb.CompleteConfirmationResponse:
        return await commands.complete_confirmation(self._ctx, call(), request)

    async def GetAccount(self, request: pb.GetAccountRequest, context: object) -> pb.Account:
        return await queries.get_account(self._ctx, call(), request)

    async def RegisterOfficer(self, request: pb.RegisterOfficerRequest, context: object) -> pb.Officer:
        return await commands.register_officer(self._ctx, call(), request)

    async def EndRoles(self, request: pb.EndRolesRequest, context: object) -> pb.Officer:
        return await commands.end_roles(self._ctx, call(), request)

    async def VerifyAccessToken(
        self, request: pb.VerifyAccessTokenRequest, context: object
    ) -> pb.VerifyAccessTokenResponse:
        return await queries.verify_access_token(self._ctx, call(), request)

    async def IssueServiceToken(
        self, request: pb.IssueServiceTokenRequest, context: object
    ) -> pb.IssueServiceTokenResponse:
        return await commands.issue_service_token(self._ctx, call(), request)

    async def ListSigningKeys(
        self, request: pb.ListSigningKeysRequest, context: object
    ) -> pb.ListSigningKeysResponse:
        return pb.ListSigningKeysResponse(jwks=self._ctx.signing.jwks)

"""Translation between protobuf messages and the model."""

from collections.abc import AsyncIterator

from chassis.caller import Kind
from chassis.rpc.current import call
from diwan.notary.v1 import notary_pb2 as pb
from diwan.notary.v1 import notary_pb2_grpc as pb_grpc
from google.protobuf.message import Message

from notary import commands, queries, rendering
from notary.commands import Named, Request
from notary.context import Context

CHUNK_BYTES = 64 * 1024


def _cause(request: Message) -> Request:
    return call().request(request, answer=rendering.shown)


class PowerOfAttorneyApi(pb_grpc.PowerOfAttorneyServiceServicer):
    """gRPC servicer of PowerOfAttorneyService."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx

    async def DraftPowerOfAttorney(
        self, request: pb.DraftPowerOfAttorneyRequest, context: object
    ) -> pb.PowerOfAttorney:
        return await commands.draft(
            self._ctx,
            _cause(request),
            case_id=request.power_of_attorney_id,
            kind=rendering.KIND_OF[request.kind],
            agent=Named(request.agent_national_id, request.agent_first_name),
            special_terms=list(request.special_terms),
        )

    async def SubmitPowerOfAttorney(
        self, request: pb.SubmitPowerOfAttorneyRequest, context: object
    ) -> pb.PowerOfAttorney:
        return await commands.submit(
            self._ctx,
            _cause(request),
            case_id=request.power_of_attorney_id,
            confirmation=request.confirmation,
        )

    async def ClaimNextReview(
        self, request: pb.ClaimNextReviewRequest, context: object
    ) -> pb.PowerOfAttorney:
        return await commands.claim_next(self._ctx, _cause(request))

    async def DecideReview(self, request: pb.DecideReviewRequest, context: object) -> pb.PowerOfAttorney:
        return await commands.decide_review(
            self._ctx,
            _cause(request),
            case_id=request.power_of_attorney_id,
            decision=rendering.DECISION_OF[request.decision],
            reason=request.reason,
        )

    async def CollectPowerOfAttorney(
        self, request: pb.CollectPowerOfAttorneyRequest, context: object
    ) -> pb.PowerOfAttorney:
        return await commands.collect(self._ctx, _cause(request), case_id=request.power_of_attorney_id)

    async def GetPowerOfAttorney(
        self, request: pb.GetPowerOfAttorneyRequest, context: object
    ) -> pb.PowerOfAttorney:
        current = call()
        case = await queries.get(self._ctx, current, request.power_of_attorney_id)
        own = current.caller.kind is Kind.CITIZEN
        return rendering.shown_to_principal(case) if own else rendering.shown(case)

    async def ListPowersOfAttorney(
        self, request: pb.ListPowersOfAttorneyRequest, context: object
    ) -> pb.ListPowersOfAttorneyResponse:
        page = await queries.listed(self._ctx, call(), request.page_size, request.page_token)
        return pb.ListPowersOfAttorneyResponse(
            powers_of_attorney=[rendering.shown(case) for case in page.items],
            next_page_token=page.next_page_token,
        )

    async def VerifyPowerOfAttorney(
        self, request: pb.VerifyPowerOfAttorneyRequest, context: object
    ) -> pb.VerifyPowerOfAttorneyResponse:
        case = await queries.verify(self._ctx, request.number, request.verification_code)
        return rendering.shown_to_third_party(case)

    async def DownloadPowerOfAttorney(
        self, request: pb.DownloadPowerOfAttorneyRequest, context: object
    ) -> AsyncIterator[pb.DownloadPowerOfAttorneyResponse]:
        pdf = await queries.download(self._ctx, call(), request.power_of_attorney_id)
        for start in range(0, len(pdf), CHUNK_BYTES):
            yield pb.DownloadPowerOfAttorneyResponse(chunk=pdf[start : start + CHUNK_BYTES])

"""Notary's API against the real store: what each RPC does, and the exact refusal of each wrong input."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import grpc
import pytest
from diwan.notary.v1 import notary_pb2 as pb
from notary.model.content import crockford

from .world import DRAFTS_PER_HOUR, deciding, drafting, failure, refusal, uid

pytestmark = pytest.mark.real


def submitting(case_id, confirmation):
    return pb.SubmitPowerOfAttorneyRequest(
        request_id=str(uuid4()), power_of_attorney_id=case_id, confirmation=confirmation
    )


def collecting(case_id, *, card_seen=True):
    return pb.CollectPowerOfAttorneyRequest(
        request_id=str(uuid4()), power_of_attorney_id=case_id, card_seen=card_seen
    )


def claiming():
    return pb.ClaimNextReviewRequest(request_id=str(uuid4()))


def verifying(number, code):
    return pb.VerifyPowerOfAttorneyRequest(number=number, verification_code=code)


async def test_a_draft_holds_what_identity_knows(world, principal, agent):
    """Names and governorate come from identity, the terms from the catalogue; identity knows who asked for whom."""
    case = await world.draft(principal, agent)

    assert (case.principal_name, case.agent_name) == (principal.name, agent.name)
    assert (case.governorate, case.state) == ("01", pb.POWER_OF_ATTORNEY_STATE_DRAFT)
    assert case.service == "notary.power_of_attorney.general"
    assert len(case.terms) > 2
    assert case.verification_code == ""
    assert len(case.digest) == 64
    asked = [(by, caller.id, caller.acting_for, purpose) for by, caller, purpose in world.identity.asked]
    assert asked == [
        (by, "notary", principal.account, "notary.power_of_attorney.draft")
        for by in ("account_id", "national_id")
    ]


@pytest.mark.parametrize("kind", pb.PowerOfAttorneyKind.values()[1:])
async def test_each_kind_has_terms_and_a_service(world, principal, agent, kind):
    """No kind of the proto is without wording."""
    case = await world.draft(principal, agent, kind=kind)

    name = pb.PowerOfAttorneyKind.Name(kind).removeprefix("POWER_OF_ATTORNEY_KIND_").lower()
    assert case.service == f"notary.power_of_attorney.{name}"
    assert case.terms


async def test_a_draft_is_written_anew_under_its_number(world, principal, agent):
    """The number stays; the digest does not."""
    first = await world.draft(principal, agent)

    second = await world.draft(
        principal, agent, power_of_attorney_id=first.power_of_attorney_id, special_terms=["بند مختلف"]
    )

    assert second.number == first.number
    assert second.digest != first.digest
    assert second.special_terms == ["بند مختلف"]


async def test_an_agent_unknown_or_of_another_name_is_refused_alike(world, principal, agent):
    """Nobody learns from a national ID who has an account, or what they are called."""
    stranger = type(principal)(99)

    told = [await failure(world.draft(principal, stranger))]
    told.append(await failure(world.draft(principal, agent, agent_first_name="نفرتيتي")))

    assert (told[0].code, told[0].reason) == ("FAILED_PRECONDITION", "AGENT_NOT_MATCHED")
    assert told[0] == told[1]


async def test_an_account_drafts_so_often_in_an_hour(world, principal, agent):
    """What was refused counts too, also under one request id; the same request again does not, nor do others'."""
    first = drafting(agent)
    kept = await world.stub.DraftPowerOfAttorney(first, metadata=world.citizen(principal))
    request_id = str(uuid4())
    for number in range(DRAFTS_PER_HOUR - 1):
        guess = world.draft(
            principal, agent, request_id=request_id, agent_first_name=f"اسم {crockford(number, 2)}"
        )
        assert (await refusal(guess))[1] == "AGENT_NOT_MATCHED"

    assert await refusal(world.draft(principal, agent)) == ("RESOURCE_EXHAUSTED", "TOO_MANY_DRAFTS")
    assert await world.stub.DraftPowerOfAttorney(first, metadata=world.citizen(principal)) == kept
    assert await world.draft(agent, principal)


async def test_nobody_is_their_own_agent(world, principal):
    """The agent is somebody else."""
    assert await refusal(world.draft(principal, principal)) == ("INVALID_ARGUMENT", "AGENT_IS_PRINCIPAL")


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"special_terms": ["latin only"]}, "SPECIAL_TERM_INVALID"),
        ({"special_terms": ["بيع\u202eالشقة"]}, "SPECIAL_TERM_INVALID"),
        ({"special_terms": ["لا"]}, "VALIDATION"),
        ({"special_terms": ["بند طويل"] * 11}, "VALIDATION"),
        ({"kind": 0}, "VALIDATION"),
        ({"kind": 77}, "VALIDATION"),
        ({"agent_national_id": "123"}, "VALIDATION"),
        ({"agent_first_name": ""}, "VALIDATION"),
        ({"agent_first_name": "م" * 101}, "VALIDATION"),
        ({"request_id": "1"}, "VALIDATION"),
        ({"power_of_attorney_id": "x"}, "VALIDATION"),
    ],
)
async def test_a_wrong_draft_is_refused_by_reason(world, principal, agent, changed, told):
    """Each wrong field has its exact refusal."""
    assert await refusal(world.draft(principal, agent, **changed)) == ("INVALID_ARGUMENT", told)


async def test_a_governorate_without_office_is_not_served(world, agent):
    """The citizen learns it before the fee, not after."""
    abroad = world.person(governorate="88")

    asked = world.draft(abroad, agent)

    assert await refusal(asked) == ("FAILED_PRECONDITION", "GOVERNORATE_NOT_SERVED")


async def test_identity_down_is_said_so(world, principal, agent):
    """The caller may try again."""
    world.identity.down = True

    assert (await refusal(world.draft(principal, agent)))[0] == "UNAVAILABLE"


async def test_somebody_elses_draft_does_not_exist(world, principal, agent):
    """The agent can neither rewrite nor submit nor see it."""
    case = await world.draft(principal, agent)
    case_id = case.power_of_attorney_id
    theirs = world.citizen(agent)
    confirmation = world.confirmation(agent, case.digest)

    tries = [
        world.draft(agent, principal, power_of_attorney_id=case_id),
        world.stub.SubmitPowerOfAttorney(submitting(case_id, confirmation), metadata=theirs),
        world.get(case_id, theirs),
    ]

    for asked in tries:
        assert await refusal(asked) == ("NOT_FOUND", "POWER_OF_ATTORNEY_NOT_FOUND")


async def test_submission_makes_the_fee_due(world, principal, agent):
    """The state moves on and payments is told, thinly."""
    case = await world.submitted(principal, agent)

    (entry,) = await world.outbox(case.power_of_attorney_id)
    assert case.state == pb.POWER_OF_ATTORNEY_STATE_AWAITING_PAYMENT
    assert entry["type"] == "diwan.notary.v1.PowerOfAttorneySubmitted"
    assert (entry["key"], entry["correlation"]) == ("power_of_attorney.submitted.v1", case.number)
    for secret in (principal.name, principal.national_id, agent.name, agent.national_id):
        assert secret not in entry["data"]


WRONG_CONFIRMATIONS = {
    "another content": ({"digest": "0" * 64}, "CONFIRMATION_MISMATCH"),
    "another purpose": ({"purpose": "payments.pay"}, "CONFIRMATION_INVALID"),
    "another account": ({"account": uid("somebody")}, "CONFIRMATION_INVALID"),
    "another audience": ({"audience": "payments"}, "CONFIRMATION_INVALID"),
    "ended": ({"now": datetime(2020, 1, 1, tzinfo=UTC)}, "CONFIRMATION_EXPIRED"),
}


@pytest.mark.parametrize("wrong", WRONG_CONFIRMATIONS)
async def test_a_wrong_confirmation_is_refused(world, principal, agent, wrong):
    """Content, purpose, account, audience and time must all be right."""
    changed, told = WRONG_CONFIRMATIONS[wrong]
    case = await world.draft(principal, agent)
    confirmation = world.confirmation(principal, **({"digest": case.digest} | changed))

    asked = world.stub.SubmitPowerOfAttorney(
        submitting(case.power_of_attorney_id, confirmation), metadata=world.citizen(principal)
    )

    assert await refusal(asked) == ("FAILED_PRECONDITION", told)


async def test_an_unsigned_confirmation_is_refused(world, principal, agent):
    """Any text may be sent as a confirmation."""
    case = await world.draft(principal, agent)

    asked = world.stub.SubmitPowerOfAttorney(
        submitting(case.power_of_attorney_id, "x" * 40), metadata=world.citizen(principal)
    )

    assert await refusal(asked) == ("FAILED_PRECONDITION", "CONFIRMATION_INVALID")


async def test_one_letter_changed_afterwards_voids_the_confirmation(world, principal, agent):
    """What was confirmed is not what would be submitted."""
    case = await world.draft(principal, agent)
    confirmation = world.confirmation(principal, case.digest)
    changed = case.special_terms[0].replace("ة", "ه")
    await world.draft(
        principal, agent, power_of_attorney_id=case.power_of_attorney_id, special_terms=[changed]
    )

    asked = world.stub.SubmitPowerOfAttorney(
        submitting(case.power_of_attorney_id, confirmation), metadata=world.citizen(principal)
    )

    assert await refusal(asked) == ("FAILED_PRECONDITION", "CONFIRMATION_MISMATCH")


async def test_what_is_submitted_is_no_draft(world, principal, agent):
    """It is neither written anew nor submitted again."""
    case = await world.submitted(principal, agent)
    case_id = case.power_of_attorney_id
    confirmation = world.confirmation(principal, case.digest)

    tries = [
        world.draft(principal, agent, power_of_attorney_id=case_id),
        world.stub.SubmitPowerOfAttorney(
            submitting(case_id, confirmation), metadata=world.citizen(principal)
        ),
    ]

    for asked in tries:
        assert await refusal(asked) == ("FAILED_PRECONDITION", "NOT_A_DRAFT")


async def test_the_reviewer_returns_a_case_with_a_reason(world, principal, agent):
    """The principal sees why, corrects it, confirms anew, and does not pay again."""
    case = await world.claimed(principal, agent)
    case_id = case.power_of_attorney_id
    without = world.stub.DecideReview(
        deciding(case_id, pb.REVIEW_DECISION_CORRECT), metadata=world.reviewer()
    )
    assert await refusal(without) == ("INVALID_ARGUMENT", "REASON_REQUIRED")
    await world.stub.DecideReview(
        deciding(case_id, pb.REVIEW_DECISION_CORRECT, "البند غامض"), metadata=world.reviewer()
    )

    returned = await world.get(case_id, world.citizen(principal))
    assert returned.state == pb.POWER_OF_ATTORNEY_STATE_CORRECTION
    assert returned.review_reason == "البند غامض"

    again = await world.draft(principal, agent, power_of_attorney_id=case_id, special_terms=["بند واضح"])
    waiting = await world.stub.SubmitPowerOfAttorney(
        submitting(case_id, world.confirmation(principal, again.digest)), metadata=world.citizen(principal)
    )
    assert waiting.state == pb.POWER_OF_ATTORNEY_STATE_AWAITING_REVIEW
    kinds = [entry["type"].rpartition(".")[2] for entry in await world.outbox(case_id)]
    assert kinds == ["PowerOfAttorneySubmitted", "PowerOfAttorneyReturned"]


async def test_approval_assigns_an_office_of_the_governorate(world, agent):
    """Whatever governorate the principal lives in."""
    principal = world.person(governorate="35")

    case = await world.approved(principal, agent)

    assert (case.office_id, case.office_name) == ("notary-south-sinai-01", "مكتب توثيق طور سيناء")
    assert case.state == pb.POWER_OF_ATTORNEY_STATE_APPROVED
    assert case.verification_code == ""


async def test_an_undecided_case_is_nobody_elses(world, principal, agent):
    """Another reviewer, and one without a claim, decide nothing."""
    case = await world.claimed(principal, agent)
    other = world.reviewer("another")

    asked = world.stub.DecideReview(deciding(case.power_of_attorney_id), metadata=other)
    unknown = world.stub.DecideReview(deciding(str(uuid4())), metadata=other)

    assert await refusal(asked) == ("PERMISSION_DENIED", "NOT_YOUR_CASE")
    assert await refusal(unknown) == ("NOT_FOUND", "POWER_OF_ATTORNEY_NOT_FOUND")


async def test_the_office_and_no_other_hands_it_over(world, principal, agent):
    """Before it is issued nobody does; afterwards one office, once."""
    approved = await world.approved(principal, agent)
    case_id = approved.power_of_attorney_id
    clerk = world.officer("clerk", "clerk", approved.office_id)
    stranger = world.officer("stranger", "clerk", "notary-giza-01")
    collect = world.stub.CollectPowerOfAttorney

    assert await refusal(collect(collecting(case_id), metadata=clerk)) == (
        "FAILED_PRECONDITION",
        "NOT_ISSUED",
    )
    await world.print(case_id)
    assert await refusal(collect(collecting(case_id), metadata=stranger)) == (
        "PERMISSION_DENIED",
        "OTHER_OFFICE",
    )
    assert await refusal(collect(collecting(case_id, card_seen=False), metadata=clerk)) == (
        "INVALID_ARGUMENT",
        "VALIDATION",
    )
    handed = await collect(collecting(case_id), metadata=clerk)

    assert handed.state == pb.POWER_OF_ATTORNEY_STATE_COLLECTED
    assert await refusal(collect(collecting(case_id), metadata=clerk)) == (
        "FAILED_PRECONDITION",
        "NOT_ISSUED",
    )
    assert await refusal(collect(collecting(str(uuid4())), metadata=clerk)) == (
        "NOT_FOUND",
        "POWER_OF_ATTORNEY_NOT_FOUND",
    )


async def test_who_may_not_see_a_case_is_not_told_of_it(world, principal, agent):
    """Principal, the claiming reviewer and, once issued, the office's clerk see it; nobody else."""
    case = await world.claimed(principal, agent)
    case_id = case.power_of_attorney_id
    office = "notary-cairo-01"
    seen = await world.get(case_id, world.reviewer())
    assert seen.agent_name == agent.name

    hidden_from = [
        world.citizen(agent),
        world.reviewer("another"),
        world.officer("clerk", "clerk", office),
        world.officer("clerk", "clerk", ""),
    ]

    for metadata in hidden_from:
        assert await refusal(world.get(case_id, metadata)) == ("NOT_FOUND", "POWER_OF_ATTORNEY_NOT_FOUND")


async def test_the_code_is_shown_to_the_principal_alone(world, principal, agent):
    """And only once the document is issued."""
    case = await world.issued(principal, agent)
    clerk = world.officer("clerk", "clerk", case.office_id)

    seen_by_clerk = await world.get(case.power_of_attorney_id, clerk)

    assert len(case.verification_code) == 12
    assert seen_by_clerk.verification_code == ""


async def test_what_officers_read_is_on_record(world, principal, agent):
    """Each read of an officer is recorded; the principal's own are not."""
    case = await world.issued(principal, agent)
    clerk = world.officer("clerk", "clerk", case.office_id)
    log = world.store.access_log.records.collection
    await world.get(case.power_of_attorney_id, world.citizen(principal))
    assert await log.count_documents({}) == 0

    await world.get(case.power_of_attorney_id, clerk)
    await world.stub.ListPowersOfAttorney(pb.ListPowersOfAttorneyRequest(), metadata=clerk)
    await read_pdf(world, case.power_of_attorney_id, clerk)

    kept = [document["state"] async for document in log.find()]
    assert sorted(read["rpc"].rpartition(".")[2] for read in kept) == [
        "DownloadPowerOfAttorney",
        "GetPowerOfAttorney",
        "ListPowersOfAttorney",
    ]
    assert {(read["caller_kind"], read["caller_id"]) for read in kept} == {("officer", uid("clerk"))}
    assert {read["office_id"] for read in kept} == {case.office_id}
    assert all(read["subject_ids"] == [case.power_of_attorney_id] for read in kept)


async def read_pdf(world, case_id, metadata):
    request = pb.DownloadPowerOfAttorneyRequest(power_of_attorney_id=case_id)
    return [part.chunk async for part in world.stub.DownloadPowerOfAttorney(request, metadata=metadata)]


async def test_the_document_is_downloaded_in_chunks(world, principal, agent):
    """The principal and the office's clerk get the bytes whose digest the fact told."""
    case = await world.issued(principal, agent)
    clerk = world.officer("clerk", "clerk", case.office_id)

    for metadata in (world.citizen(principal), clerk):
        chunks = await read_pdf(world, case.power_of_attorney_id, metadata)
        assert b"".join(chunks).startswith(b"%PDF")


async def test_a_document_that_is_not_there_is_not_downloaded(world, principal, agent):
    """Not issued yet, or none of the caller's business."""
    case = await world.approved(principal, agent)
    case_id = case.power_of_attorney_id

    assert await refusal(read_pdf(world, case_id, world.citizen(principal))) == (
        "FAILED_PRECONDITION",
        "NOT_ISSUED",
    )
    for metadata in (world.citizen(agent), world.officer("x", "clerk", "notary-giza-01")):
        assert await refusal(read_pdf(world, case_id, metadata)) == (
            "NOT_FOUND",
            "POWER_OF_ATTORNEY_NOT_FOUND",
        )


async def test_a_third_party_verifies_by_number_and_code(world, principal, agent):
    """Anyone, without a token; names are masked."""
    case = await world.issued(principal, agent)

    seen = await world.stub.VerifyPowerOfAttorney(verifying(case.number, case.verification_code))

    assert seen.in_force
    assert seen.state == pb.POWER_OF_ATTORNEY_STATE_ISSUED
    assert seen.masked_principal_name == " ".join(f"{word[0]}***" for word in principal.name.split())
    assert len(seen.document_digest) == 64


async def test_any_wrong_pair_tells_the_same(world, principal, agent):
    """A wrong code, a wrong number, another document's code, and a document that is not out yet."""
    one = await world.issued(principal, agent)
    two = await world.issued(agent, principal)
    approved = await world.approved(principal, agent)
    kept = await world.store.case(approved.power_of_attorney_id)

    pairs = [
        (one.number, "0" * 12),
        ("PA-2026-ZZZZZZZZ", one.verification_code),
        (one.number, two.verification_code),
        (kept.number, kept.verification_code),
    ]

    told = set()
    for number, code in pairs:
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await world.stub.VerifyPowerOfAttorney(verifying(number, code))
        told.add((error.value.code().name, error.value.details()))
    assert len(told) == 1
    again = world.stub.VerifyPowerOfAttorney(verifying(one.number, "0" * 12))
    assert await refusal(again) == ("NOT_FOUND", "DOCUMENT_NOT_FOUND")


async def test_a_list_is_read_page_by_page(world, principal, agent):
    """Newest first, each once, and nobody else's."""
    made = [(await world.draft(principal, agent)).number for _ in range(5)]
    await world.draft(agent, principal)
    read, token = [], ""

    for _ in range(3):
        page = await world.stub.ListPowersOfAttorney(
            pb.ListPowersOfAttorneyRequest(page_size=2, page_token=token), metadata=world.citizen(principal)
        )
        read += [case.number for case in page.powers_of_attorney]
        token = page.next_page_token

    assert sorted(read) == sorted(made)
    assert token == ""


@pytest.mark.parametrize("token", ["x", "e30=", "!!!"])
async def test_a_foreign_page_token_is_refused(world, principal, token):
    """A page token is ours or none."""
    asked = world.stub.ListPowersOfAttorney(
        pb.ListPowersOfAttorneyRequest(page_token=token), metadata=world.citizen(principal)
    )

    assert await refusal(asked) == ("INVALID_ARGUMENT", "PAGE_TOKEN_INVALID")


async def test_a_clerk_lists_what_waits_at_their_office(world, principal, agent):
    """Those issued there, not those under way, and none for a clerk without an office."""
    case = await world.issued(principal, agent)
    await world.draft(principal, agent)

    async def listed(office):
        answer = await world.stub.ListPowersOfAttorney(
            pb.ListPowersOfAttorneyRequest(), metadata=world.officer("clerk", "clerk", office)
        )
        return [found.number for found in answer.powers_of_attorney]

    assert await listed(case.office_id) == [case.number]
    assert await listed("notary-giza-01") == []
    assert await listed("") == []


async def test_each_rpc_is_for_those_its_proto_names(world, principal, agent):
    """A citizen does not review, a clerk does not draft, a reviewer does not hand over."""
    citizen, clerk, reviewer = world.citizen(principal), world.officer("c", "clerk", "o"), world.reviewer()
    some = str(uuid4())

    tries = [
        world.stub.ClaimNextReview(claiming(), metadata=citizen),
        world.stub.ClaimNextReview(claiming(), metadata=clerk),
        world.stub.DecideReview(deciding(some), metadata=citizen),
        world.stub.DraftPowerOfAttorney(drafting(agent), metadata=clerk),
        world.stub.CollectPowerOfAttorney(collecting(some), metadata=reviewer),
        world.stub.CollectPowerOfAttorney(collecting(some), metadata=citizen),
    ]

    for asked in tries:
        assert await refusal(asked) == ("PERMISSION_DENIED", "ACCESS_DENIED")
    assert await refusal(world.stub.ClaimNextReview(claiming())) == ("UNAUTHENTICATED", "TOKEN_MISSING")


async def test_a_taken_number_gives_way_to_the_next(world, principal, agent, monkeypatch):
    """Two ids may give one number; the second draft gets another."""
    from notary import commands

    monkeypatch.setattr(commands, "number_of", lambda _, year, attempt: f"PA-{year}-0000000{attempt}")

    first = await world.draft(principal, agent)
    second = await world.draft(principal, agent)

    year = (datetime.now(UTC) + timedelta(hours=2)).year
    assert [first.number, second.number] == [f"PA-{year}-00000000", f"PA-{year}-00000001"]

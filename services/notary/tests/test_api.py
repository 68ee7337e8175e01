"""Notary's API on the real store: the effect of each RPC, and the code and reason of each refusal."""

from datetime import UTC, datetime
from uuid import uuid4

import grpc
import pytest
from chassis.times import cairo_day
from diwan.notary.v1 import notary_pb2 as pb
from notary.model.content import crockford

from .world import DRAFTS_PER_HOUR, deciding, drafting, failure, refusal, uid

pytestmark = pytest.mark.real


def submit_request(case_id, confirmation):
    return pb.SubmitPowerOfAttorneyRequest(
        request_id=str(uuid4()), power_of_attorney_id=case_id, confirmation=confirmation
    )


def collect_request(case_id, *, card_seen=True):
    return pb.CollectPowerOfAttorneyRequest(
        request_id=str(uuid4()), power_of_attorney_id=case_id, card_seen=card_seen
    )


def claim_request():
    return pb.ClaimNextReviewRequest(request_id=str(uuid4()))


def verify_request(number, code):
    return pb.VerifyPowerOfAttorneyRequest(number=number, verification_code=code)


async def test_a_draft_holds_the_data_of_identity(world, principal, agent):
    """Names and governorate come from identity, terms from the catalogue; the calls to identity name the principal."""
    case = await world.draft(principal, agent)

    assert (case.principal_name, case.agent_name) == (principal.name, agent.name)
    assert (case.governorate, case.state) == ("01", pb.POWER_OF_ATTORNEY_STATE_DRAFT)
    assert case.service == "notary.power_of_attorney.general"
    assert len(case.terms) > 2
    assert case.verification_code == ""
    assert len(case.digest) == 64
    calls = [(by, caller.id, caller.acting_for, purpose) for by, caller, purpose in world.identity.calls]
    assert calls == [
        (by, "notary", principal.account, "notary.power_of_attorney.draft")
        for by in ("account_id", "national_id")
    ]


@pytest.mark.parametrize("kind", pb.PowerOfAttorneyKind.values()[1:])
async def test_each_kind_has_terms_and_a_service(world, principal, agent, kind):
    """Every kind of the proto has a wording in the catalogue."""
    case = await world.draft(principal, agent, kind=kind)

    name = pb.PowerOfAttorneyKind.Name(kind).removeprefix("POWER_OF_ATTORNEY_KIND_").lower()
    assert case.service == f"notary.power_of_attorney.{name}"
    assert case.terms


async def test_a_changed_draft_keeps_its_number(world, principal, agent):
    """The digest changes."""
    first = await world.draft(principal, agent)

    second = await world.draft(
        principal, agent, power_of_attorney_id=first.power_of_attorney_id, special_terms=["بند مختلف"]
    )

    assert second.number == first.number
    assert second.digest != first.digest
    assert second.special_terms == ["بند مختلف"]


async def test_an_unknown_agent_and_a_wrong_name_have_the_same_refusal(world, principal, agent):
    """A caller learns neither whether a national ID has an account, nor its name."""
    unknown = type(principal)(99)

    refusals = [await failure(world.draft(principal, unknown))]
    refusals.append(await failure(world.draft(principal, agent, agent_first_name="نفرتيتي")))

    assert (refusals[0].code, refusals[0].reason) == ("FAILED_PRECONDITION", "AGENT_NOT_MATCHED")
    assert refusals[0] == refusals[1]


async def test_an_impossible_national_id_of_the_agent_is_refused_by_its_field(world, principal, agent):
    """It has the form of a national ID, with the 31st of February as its date of birth; identity refuses it."""
    refused = await failure(
        world.stub.DraftPowerOfAttorney(
            drafting(agent, agent_national_id="29002310112345"), metadata=world.citizen(principal)
        )
    )

    assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "NATIONAL_ID_INVALID")
    assert refused.metadata == {"part": "birth_date"}
    assert refused.fields == (("agent_national_id", "NATIONAL_ID_INVALID"),)


async def test_ids_and_numbers_are_read_as_people_type_them(world, principal, agent):
    """A case is read, drafted again and verified by its id in capitals, and its number and code from paper."""
    drafted = await world.draft(principal, agent)
    again = await world.draft(
        principal,
        agent,
        power_of_attorney_id=drafted.power_of_attorney_id.upper(),
        agent_national_id=" ".join(agent.national_id).translate(str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")),
    )
    case = await world.issued(principal, agent)
    letters = str.maketrans("01", "ol")

    read = await world.get(case.power_of_attorney_id.upper(), world.citizen(principal))
    prefix, rest = case.number.split("-", 1)
    code = case.verification_code.translate(letters).lower()
    verified = await world.stub.VerifyPowerOfAttorney(
        verify_request(
            f"\u200f{prefix.lower()} {rest.translate(letters)}", f"{code[:4]}-{code[4:8]}\u2013{code[8:]}"
        )
    )

    assert again.number == drafted.number
    assert read == case
    assert verified.in_force


async def test_drafts_of_an_account_are_limited_per_hour(world, principal, agent):
    """Refused requests count, also with one request id; repeated requests and those of other accounts do not."""
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


async def test_the_principal_cannot_be_the_agent(world, principal):
    """The agent must be another person."""
    assert await refusal(world.draft(principal, principal)) == ("INVALID_ARGUMENT", "AGENT_IS_PRINCIPAL")


@pytest.mark.parametrize(
    ("changed", "reason"),
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
async def test_an_invalid_draft_is_refused(world, principal, agent, changed, reason):
    """Each row is an invalid field with its reason."""
    assert await refusal(world.draft(principal, agent, **changed)) == ("INVALID_ARGUMENT", reason)


async def test_a_governorate_without_office_is_not_served(world, agent):
    """The draft is refused, before a fee is paid."""
    abroad = world.person(governorate="88")

    call = world.draft(abroad, agent)

    assert await refusal(call) == ("FAILED_PRECONDITION", "GOVERNORATE_NOT_SERVED")


async def test_an_outage_of_identity_is_unavailable(world, principal, agent):
    """The caller may retry."""
    world.identity.down = True

    assert (await refusal(world.draft(principal, agent)))[0] == "UNAVAILABLE"


async def test_a_draft_is_hidden_from_others(world, principal, agent):
    """The agent can neither change, submit nor read it."""
    case = await world.draft(principal, agent)
    case_id = case.power_of_attorney_id
    theirs = world.citizen(agent)
    confirmation = world.confirmation(agent, case.digest)

    calls = [
        world.draft(agent, principal, power_of_attorney_id=case_id),
        world.stub.SubmitPowerOfAttorney(submit_request(case_id, confirmation), metadata=theirs),
        world.get(case_id, theirs),
    ]

    for call in calls:
        assert await refusal(call) == ("NOT_FOUND", "POWER_OF_ATTORNEY_NOT_FOUND")


async def test_a_submission_publishes_an_event_without_personal_data(world, principal, agent):
    """The case awaits payment."""
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
    """Content, purpose, account, audience and time must be right."""
    changed, reason = WRONG_CONFIRMATIONS[wrong]
    case = await world.draft(principal, agent)
    confirmation = world.confirmation(principal, **({"digest": case.digest} | changed))

    call = world.stub.SubmitPowerOfAttorney(
        submit_request(case.power_of_attorney_id, confirmation), metadata=world.citizen(principal)
    )

    assert await refusal(call) == ("FAILED_PRECONDITION", reason)


async def test_an_unsigned_confirmation_is_refused(world, principal, agent):
    """A confirmation must be a signed token."""
    case = await world.draft(principal, agent)

    call = world.stub.SubmitPowerOfAttorney(
        submit_request(case.power_of_attorney_id, "x" * 40), metadata=world.citizen(principal)
    )

    assert await refusal(call) == ("FAILED_PRECONDITION", "CONFIRMATION_INVALID")


async def test_a_change_of_one_letter_invalidates_the_confirmation(world, principal, agent):
    """A confirmation holds for the confirmed content only."""
    case = await world.draft(principal, agent)
    confirmation = world.confirmation(principal, case.digest)
    changed = case.special_terms[0].replace("ة", "ه")
    await world.draft(
        principal, agent, power_of_attorney_id=case.power_of_attorney_id, special_terms=[changed]
    )

    call = world.stub.SubmitPowerOfAttorney(
        submit_request(case.power_of_attorney_id, confirmation), metadata=world.citizen(principal)
    )

    assert await refusal(call) == ("FAILED_PRECONDITION", "CONFIRMATION_MISMATCH")


async def test_a_submitted_case_is_no_longer_a_draft(world, principal, agent):
    """It can be neither changed nor submitted again."""
    case = await world.submitted(principal, agent)
    case_id = case.power_of_attorney_id
    confirmation = world.confirmation(principal, case.digest)

    calls = [
        world.draft(principal, agent, power_of_attorney_id=case_id),
        world.stub.SubmitPowerOfAttorney(
            submit_request(case_id, confirmation), metadata=world.citizen(principal)
        ),
    ]

    for call in calls:
        assert await refusal(call) == ("FAILED_PRECONDITION", "NOT_A_DRAFT")


async def test_a_reviewer_returns_a_case_with_a_reason(world, principal, agent):
    """The principal sees the reason, corrects the draft, confirms it again, and pays no second fee."""
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
    resubmitted = await world.stub.SubmitPowerOfAttorney(
        submit_request(case_id, world.confirmation(principal, again.digest)),
        metadata=world.citizen(principal),
    )
    assert resubmitted.state == pb.POWER_OF_ATTORNEY_STATE_AWAITING_REVIEW
    published = [entry["type"].rpartition(".")[2] for entry in await world.outbox(case_id)]
    assert published == ["PowerOfAttorneySubmitted", "PowerOfAttorneyReturned"]


async def test_approval_assigns_an_office_of_the_governorate(world, agent):
    """The governorate is that of the principal."""
    principal = world.person(governorate="35")

    case = await world.approved(principal, agent)

    assert (case.office_id, case.office_name) == ("notary-south-sinai-01", "مكتب توثيق طور سيناء")
    assert case.state == pb.POWER_OF_ATTORNEY_STATE_APPROVED
    assert case.verification_code == ""


async def test_only_the_claiming_reviewer_decides(world, principal, agent):
    """Another reviewer is refused, and an unknown case is not found."""
    case = await world.claimed(principal, agent)
    other = world.reviewer("another")

    call = world.stub.DecideReview(deciding(case.power_of_attorney_id), metadata=other)
    unknown = world.stub.DecideReview(deciding(str(uuid4())), metadata=other)

    assert await refusal(call) == ("PERMISSION_DENIED", "NOT_YOUR_CASE")
    assert await refusal(unknown) == ("NOT_FOUND", "POWER_OF_ATTORNEY_NOT_FOUND")


async def test_only_the_assigned_office_hands_the_document_over(world, principal, agent):
    """It does so once, after the document is issued."""
    approved = await world.approved(principal, agent)
    case_id = approved.power_of_attorney_id
    clerk = world.officer("clerk", "clerk", approved.office_id)
    other_clerk = world.officer("stranger", "clerk", "notary-giza-01")
    collect = world.stub.CollectPowerOfAttorney

    assert await refusal(collect(collect_request(case_id), metadata=clerk)) == (
        "FAILED_PRECONDITION",
        "NOT_ISSUED",
    )
    await world.print(case_id)
    assert await refusal(collect(collect_request(case_id), metadata=other_clerk)) == (
        "PERMISSION_DENIED",
        "OTHER_OFFICE",
    )
    assert await refusal(collect(collect_request(case_id, card_seen=False), metadata=clerk)) == (
        "INVALID_ARGUMENT",
        "VALIDATION",
    )
    collected = await collect(collect_request(case_id), metadata=clerk)

    assert collected.state == pb.POWER_OF_ATTORNEY_STATE_COLLECTED
    assert await refusal(collect(collect_request(case_id), metadata=clerk)) == (
        "FAILED_PRECONDITION",
        "NOT_ISSUED",
    )
    assert await refusal(collect(collect_request(str(uuid4())), metadata=clerk)) == (
        "NOT_FOUND",
        "POWER_OF_ATTORNEY_NOT_FOUND",
    )


async def test_a_case_is_hidden_from_others(world, principal, agent):
    """Only the principal, the claiming reviewer and, once it is issued, clerks of the office can read it."""
    case = await world.claimed(principal, agent)
    case_id = case.power_of_attorney_id
    office = "notary-cairo-01"
    visible = await world.get(case_id, world.reviewer())
    assert visible.agent_name == agent.name

    hidden_from = [
        world.citizen(agent),
        world.reviewer("another"),
        world.officer("clerk", "clerk", office),
        world.officer("clerk", "clerk", ""),
    ]

    for metadata in hidden_from:
        assert await refusal(world.get(case_id, metadata)) == ("NOT_FOUND", "POWER_OF_ATTORNEY_NOT_FOUND")


async def test_the_verification_code_is_visible_only_to_the_principal(world, principal, agent):
    """It is in the answers once the document is issued."""
    case = await world.issued(principal, agent)
    clerk = world.officer("clerk", "clerk", case.office_id)

    read_by_clerk = await world.get(case.power_of_attorney_id, clerk)

    assert len(case.verification_code) == 12
    assert read_by_clerk.verification_code == ""


async def test_reads_of_officers_are_recorded(world, principal, agent):
    """Reads of the principal are not."""
    case = await world.issued(principal, agent)
    clerk = world.officer("clerk", "clerk", case.office_id)
    log = world.store.access_log.records.collection
    await world.get(case.power_of_attorney_id, world.citizen(principal))
    assert await log.count_documents({}) == 0

    await world.get(case.power_of_attorney_id, clerk)
    await world.stub.ListPowersOfAttorney(pb.ListPowersOfAttorneyRequest(), metadata=clerk)
    await read_pdf(world, case.power_of_attorney_id, clerk)

    records = [document["state"] async for document in log.find()]
    assert sorted(read["rpc"].rpartition(".")[2] for read in records) == [
        "DownloadPowerOfAttorney",
        "GetPowerOfAttorney",
        "ListPowersOfAttorney",
    ]
    assert {(read["caller_kind"], read["caller_id"]) for read in records} == {("officer", uid("clerk"))}
    assert {read["office_id"] for read in records} == {case.office_id}
    assert all(read["subject_ids"] == [case.power_of_attorney_id] for read in records)


async def read_pdf(world, case_id, metadata):
    request = pb.DownloadPowerOfAttorneyRequest(power_of_attorney_id=case_id)
    return [part.chunk async for part in world.stub.DownloadPowerOfAttorney(request, metadata=metadata)]


async def test_the_document_is_downloaded_in_chunks(world, principal, agent):
    """The principal and a clerk of the office may download it."""
    case = await world.issued(principal, agent)
    clerk = world.officer("clerk", "clerk", case.office_id)

    for metadata in (world.citizen(principal), clerk):
        chunks = await read_pdf(world, case.power_of_attorney_id, metadata)
        assert b"".join(chunks).startswith(b"%PDF")


async def test_a_download_is_refused_without_a_document_or_access(world, principal, agent):
    """The document is not issued yet, or the caller may not read the case."""
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
    """The call needs no token; names are masked."""
    case = await world.issued(principal, agent)

    verified = await world.stub.VerifyPowerOfAttorney(verify_request(case.number, case.verification_code))

    assert verified.in_force
    assert verified.state == pb.POWER_OF_ATTORNEY_STATE_ISSUED
    assert verified.masked_principal_name == " ".join(f"{word[0]}***" for word in principal.name.split())
    assert len(verified.document_digest) == 64


async def test_every_wrong_pair_has_the_same_refusal(world, principal, agent):
    """A wrong code, a wrong number, the code of another document, and a document that is not issued yet."""
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

    refusals = set()
    for number, code in pairs:
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await world.stub.VerifyPowerOfAttorney(verify_request(number, code))
        refusals.add((error.value.code().name, error.value.details()))
    assert len(refusals) == 1
    again = world.stub.VerifyPowerOfAttorney(verify_request(one.number, "0" * 12))
    assert await refusal(again) == ("NOT_FOUND", "DOCUMENT_NOT_FOUND")


async def test_a_list_is_read_page_by_page(world, principal, agent):
    """It contains each case of the caller once, and no others."""
    numbers = [(await world.draft(principal, agent)).number for _ in range(5)]
    await world.draft(agent, principal)
    listed, token = [], ""

    for _ in range(3):
        page = await world.stub.ListPowersOfAttorney(
            pb.ListPowersOfAttorneyRequest(page_size=2, page_token=token), metadata=world.citizen(principal)
        )
        listed += [case.number for case in page.powers_of_attorney]
        token = page.next_page_token

    assert sorted(listed) == sorted(numbers)
    assert token == ""


@pytest.mark.parametrize("token", ["x", "e30=", "!!!"])
async def test_an_invalid_page_token_is_refused(world, principal, token):
    """A page token must be one that the service returned."""
    call = world.stub.ListPowersOfAttorney(
        pb.ListPowersOfAttorneyRequest(page_token=token), metadata=world.citizen(principal)
    )

    assert await refusal(call) == ("INVALID_ARGUMENT", "PAGE_TOKEN_INVALID")


async def test_a_clerk_lists_the_issued_documents_of_the_office(world, principal, agent):
    """Cases in other states are not listed, and a clerk without an office sees none."""
    case = await world.issued(principal, agent)
    await world.draft(principal, agent)

    async def listed(office):
        answer = await world.stub.ListPowersOfAttorney(
            pb.ListPowersOfAttorneyRequest(), metadata=world.officer("clerk", "clerk", office)
        )
        return [case.number for case in answer.powers_of_attorney]

    assert await listed(case.office_id) == [case.number]
    assert await listed("notary-giza-01") == []
    assert await listed("") == []


async def test_each_rpc_is_restricted_to_the_roles_of_its_proto(world, principal, agent):
    """A citizen cannot review, a clerk cannot draft, a reviewer cannot hand over."""
    citizen, clerk, reviewer = world.citizen(principal), world.officer("c", "clerk", "o"), world.reviewer()
    case_id = str(uuid4())

    calls = [
        world.stub.ClaimNextReview(claim_request(), metadata=citizen),
        world.stub.ClaimNextReview(claim_request(), metadata=clerk),
        world.stub.DecideReview(deciding(case_id), metadata=citizen),
        world.stub.DraftPowerOfAttorney(drafting(agent), metadata=clerk),
        world.stub.CollectPowerOfAttorney(collect_request(case_id), metadata=reviewer),
        world.stub.CollectPowerOfAttorney(collect_request(case_id), metadata=citizen),
    ]

    for call in calls:
        assert await refusal(call) == ("PERMISSION_DENIED", "ACCESS_DENIED")
    assert await refusal(world.stub.ClaimNextReview(claim_request())) == ("UNAUTHENTICATED", "TOKEN_MISSING")


async def test_a_taken_number_is_replaced_by_the_next(world, principal, agent, monkeypatch):
    """Two ids may lead to the same number; the second draft receives another one."""
    from notary import commands

    monkeypatch.setattr(commands, "number_of", lambda _, year, attempt: f"PA-{year}-0000000{attempt}")

    first = await world.draft(principal, agent)
    second = await world.draft(principal, agent)

    year = cairo_day(datetime.now(UTC)).year
    assert [first.number, second.number] == [f"PA-{year}-00000000", f"PA-{year}-00000001"]

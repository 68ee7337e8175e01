"""The whole journey: its results, and its trace edge by edge."""

import subprocess

import pytest
from demo import operator, tree
from demo.journey import pounds
from diwan.notary.v1 import notary_pb2 as notary
from diwan.payments.v1 import payments_pb2 as payments
from pyhanko.keys import load_cert_from_pemder
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation import validate_pdf_signature
from pyhanko_certvalidator import ValidationContext

# Child service and span, parent service and span; "*" matches any name of a parent. Spans of a connector include its
# calls to external systems.
EDGES = [
    ("identity", "process identity.registry.person", "demo", "*"),
    ("identity", "diwan.identity.v1.IdentityService/StartEnrolment", "demo", "*"),
    ("notification", "process notification.identity.account", "identity", "send identity.events"),
    ("notification", "process notification.identity.message", "identity", "send identity.commands"),
    ("identity", "diwan.identity.v1.IdentityService/GetAccount", "notary", "*"),
    ("payments", "process payments.notary.power_of_attorney", "notary", "send notary.events"),
    ("acquirer", "process acquirer.payments.charge", "payments", "send payments.commands"),
    ("payments", "process payments.acquirer.charge", "acquirer", "*"),
    ("payments", "process payments.payments.payment", "payments", "send payments.events"),
    ("notary", "process notary.payments.payment", "payments", "send payments.events"),
    ("notification", "process notification.payments.payment", "payments", "send payments.events"),
    ("notary", "process notary.notary.power_of_attorney", "notary", "send notary.events"),
    ("notification", "process notification.notary.power_of_attorney", "notary", "send notary.events"),
    ("sms", "process sms.notification.message", "notification", "send notification.commands"),
    ("sms", "submit_sm", "sms", "process sms.notification.message"),
    ("notification", "process notification.sms.message", "sms", "*"),
]


def test_every_step_passes(completed):
    """All nine steps are finished, in order."""
    assert [step.number for step in completed.steps] == list(range(1, 10))


def test_the_document_is_signed_under_the_authority(completed, environment):
    """The signature covers the whole file, and its certificate chain ends at the authority of the stack."""
    context = ValidationContext(
        trust_roots=[load_cert_from_pemder(str(environment.authority))], allow_fetching=False
    )
    with completed.document.open("rb") as file:
        signatures = PdfFileReader(file).embedded_signatures

        status = validate_pdf_signature(signatures[0], context)

        assert len(signatures) == 1
        assert status.bottom_line
        assert status.coverage.name == "ENTIRE_FILE"


def test_the_text_of_the_document_can_be_extracted(completed):
    """It holds the case number and the verification code."""
    text = subprocess.run(
        ["pdftotext", "-layout", str(completed.document), "-"], capture_output=True, text=True, check=True
    ).stdout

    assert completed.journey.case.number in text
    assert completed.journey.case.verification_code in text.replace(" ", "")


def test_the_trace_is_connected(completed):
    """The root is the only span without a parent in the trace."""
    assert [span.name for span in tree.orphans(completed.spans)] == ["journey of a power of attorney"]


@pytest.mark.parametrize(("service", "name", "parent_service", "parent_name"), EDGES)
def test_the_trace_has_the_edge(completed, service, name, parent_service, parent_name):
    """The span of the called program has the span of the caller as its parent."""
    by_id = {span.id: span for span in completed.spans}
    parents = {
        (by_id[span.parent].service, by_id[span.parent].name)
        for span in completed.spans
        if (span.service, span.name) == (service, name)
    }

    assert parents, f"no span {service}: {name}"
    assert any(
        actual_service == parent_service and parent_name in ("*", actual_name)
        for actual_service, actual_name in parents
    ), parents


def test_every_message_of_the_journey_was_delivered(completed):
    """The operator can list each SMS of the request number, and each has its delivery receipt."""
    listed = completed.messages

    assert {"payment.due", "payment.settled", "power_of_attorney.issued", "power_of_attorney.collected"} == {
        message["template"] for message in listed
    }
    assert {message["state"] for message in listed} == {"MESSAGE_STATE_DELIVERED"}


def test_no_message_was_parked(completed):
    """A journey without a fault needs no operator."""
    assert completed.parked == []


def test_the_journal_balances_and_shows_each_share(completed, environment):
    """Every entry sums to zero; acquirer, incentive, agency and platform have their shares, the citizen owes 0."""
    entries = operator.diwan(
        environment.operator_config, "ledger", "list", "--request-number", completed.journey.case.number
    )
    balance: dict[str, int] = {}
    for entry in entries:
        legs = [(leg["account"].split("/")[0], piastres(leg["amount"])) for leg in entry["legs"]]
        assert sum(amount for _, amount in legs) == 0
        for account, amount in legs:
            balance[account] = balance.get(account, 0) + amount

    assert balance == {
        "citizen": 0,
        "deferred": 0,
        "acquirer": 108_00,
        "incentive": 12_00,
        "agency": -112_00,
        "platform": -8_00,
    }


def test_a_verification_returns_no_personal_data(completed, platform):
    """The answer holds no national ID, full name or mobile."""
    journey = completed.journey
    request = notary.VerifyPowerOfAttorneyRequest(
        number=journey.case.number, verification_code=journey.case.verification_code
    )

    answer = str(platform.call("notary", "VerifyPowerOfAttorney", request))

    for party in (journey.principal.person, journey.agent.person):
        assert party.national_id not in answer
        assert party.full_name not in answer
        assert party.mobile not in answer


def test_the_charged_amount_is_the_quoted_one(completed, platform, session):
    """The published quote is the amount that the citizen paid."""
    request = payments.GetPaymentRequest(subject_id=completed.journey.case.power_of_attorney_id)

    paid = platform.call("payments", "GetPayment", request, session)

    assert pounds(paid.amount) == pounds(completed.journey.quoted.amount)


def piastres(money):
    return int(money["units"]) * 100 + money["nanos"] // 10**7

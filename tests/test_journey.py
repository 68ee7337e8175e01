"""The whole journey: what came of it, and its trace edge by edge."""

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

# child service and span, parent service and span: the child is looked up, and its parent must be as said. A parent's
# name may be left open with "*"; a connector's spans stand for the wire to the outside world.
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


def test_every_step_does_what_it_should(travelled):
    """All nine steps are done, in order."""
    assert [step.number for step in travelled.steps] == list(range(1, 10))


def test_the_document_is_signed_under_the_authority(travelled, world):
    """The signature covers the whole file and leads to the stack's own authority."""
    context = ValidationContext(
        trust_roots=[load_cert_from_pemder(str(world.authority))], allow_fetching=False
    )
    with travelled.document.open("rb") as file:
        signatures = PdfFileReader(file).embedded_signatures

        status = validate_pdf_signature(signatures[0], context)

        assert len(signatures) == 1
        assert status.bottom_line
        assert status.coverage.name == "ENTIRE_FILE"


def test_the_document_can_be_read_and_says_what_was_confirmed(travelled):
    """The text of the PDF holds number, code and the parties' IDs, as a copy machine or a clerk would read them."""
    text = subprocess.run(
        ["pdftotext", "-layout", str(travelled.document), "-"], capture_output=True, text=True, check=True
    ).stdout

    assert travelled.journey.case.number in text
    assert travelled.journey.case.verification_code in text.replace(" ", "")


def test_the_trace_is_connected(travelled):
    """Every span but the root has its parent in the trace."""
    assert [span.name for span in tree.orphans(travelled.spans)] == ["journey of a power of attorney"]


@pytest.mark.parametrize(("service", "name", "parent_service", "parent_name"), EDGES)
def test_the_trace_has_the_edge(travelled, service, name, parent_service, parent_name):
    """A hop between programs is seen from the side that was called: its parent is who caused it."""
    by_id = {span.id: span for span in travelled.spans}
    parents = {
        (by_id[span.parent].service, by_id[span.parent].name)
        for span in travelled.spans
        if (span.service, span.name) == (service, name)
    }

    assert parents, f"no span {service}: {name}"
    assert any(who == parent_service and parent_name in ("*", what) for who, what in parents), parents


def test_every_message_of_the_journey_was_delivered(travelled):
    """The operator sees each SMS that carries the request number, with its receipt."""
    listed = travelled.messages

    assert {"payment.due", "payment.settled", "power_of_attorney.issued", "power_of_attorney.collected"} == {
        message["template"] for message in listed
    }
    assert {message["state"] for message in listed} == {"MESSAGE_STATE_DELIVERED"}


def test_nothing_was_parked(travelled, world):
    """A journey without a fault leaves nothing to mend."""
    for service in world.targets:
        assert operator.diwan(world.operator_config, "parked", "list", service) == []


def test_the_books_balance_and_show_each_part(travelled, world):
    """Every entry sums to zero; acquirer, incentive, agency and platform hold their parts citizen 0."""
    entries = operator.diwan(
        world.operator_config, "ledger", "list", "--request-number", travelled.journey.case.number
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


def test_a_bank_sees_no_more_than_it_needs(travelled, platform):
    """The answer to a verification holds no national ID and no full name."""
    journey = travelled.journey
    request = notary.VerifyPowerOfAttorneyRequest(
        number=journey.case.number, verification_code=journey.case.verification_code
    )

    said = str(platform.call("notary", "VerifyPowerOfAttorney", request))

    for party in (journey.principal.person, journey.agent.person):
        assert party.national_id not in said
        assert party.full_name not in said
        assert party.mobile not in said


def test_the_quote_is_what_was_charged(travelled, platform, session):
    """What anyone is told before the request is what the citizen paid."""
    request = payments.GetPaymentRequest(subject_id=travelled.journey.case.power_of_attorney_id)

    paid = platform.call("payments", "GetPayment", request, session)

    assert pounds(paid.amount) == pounds(travelled.journey.quoted.amount)


def piastres(money):
    return int(money["units"]) * 100 + money["nanos"] // 10**7

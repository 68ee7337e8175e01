"""Sample people, contents and offices for the tests of notary."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from notary.model.content import Content, Kind, Office, Party
from notary.model.power_of_attorney import PowerOfAttorney, ReviewDecision, Reviewer, draft

NOW = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
CAIRO = Office("notary-cairo-01", "مكتب توثيق مصر الجديدة", "01")
PRINCIPAL = Party("account-1", "person-1", "محمد أحمد علي حسن", "29001010101234")
AGENT = Party("account-2", "person-2", "فاطمة إبراهيم سيد", "29505050105678")
REVIEWER = Reviewer("officer-1", "person-8")
CLERK = Reviewer("officer-2", "person-9")
CODE = "7Q4M2K9D5T1V"
CONTENT = Content(
    draft_id="7c2bb0f4-9f2e-4d0c-9e69-5c5a2d7f5a10",
    kind=Kind.GENERAL,
    principal=PRINCIPAL,
    agent=AGENT,
    governorate="01",
    terms=("للوكيل أن ينوب عن الموكل في جميع شؤونه.",),
    special_terms=("ولا يجوز للوكيل بيع الشقة.",),
)


def drafted(content: Content = CONTENT) -> PowerOfAttorney:
    return draft(content, number="PA-2026-7Q4M2K9D", entered_by=content.principal.person_id, now=NOW).state


def submitted(*, case: PowerOfAttorney | None = None, confirmation: str = "jti-1") -> PowerOfAttorney:
    case = case or drafted()
    return case.submit(confirmation, case.digest, account_id="account-1", channel="portal", now=NOW).state


def paid() -> PowerOfAttorney:
    return submitted().settle("payment-1", NOW).state


def claimed(reviewer: Reviewer = REVIEWER) -> PowerOfAttorney:
    return paid().claim(reviewer, "claim-1", NOW).state


def decided(decision: ReviewDecision, reason: str = "") -> PowerOfAttorney:
    return (
        claimed()
        .decide(decision, reason, reviewer=REVIEWER, office=CAIRO, verification_code=CODE, now=NOW)
        .state
    )


def approved() -> PowerOfAttorney:
    return decided(ReviewDecision.APPROVE)


def issued() -> PowerOfAttorney:
    return approved().issue("d" * 64, NOW + timedelta(seconds=2)).state


def collected() -> PowerOfAttorney:
    return issued().collect(clerk=CLERK, office_id=CAIRO.id, now=NOW).state


def correcting() -> PowerOfAttorney:
    return decided(ReviewDecision.CORRECT, "يرجى تصحيح البند.")


def with_terms(*terms: str) -> Content:
    return replace(CONTENT, special_terms=terms)

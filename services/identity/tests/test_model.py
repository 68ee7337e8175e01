"""The rules of codes, enrolment, sessions, confirmations and officers, without store and API."""

import contextlib
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from chassis.store import Limits
from hypothesis import given
from hypothesis import strategies as st
from identity.model import accounts, channels, confirmations, errors, officers, records, sessions
from identity.model.administrators import Administrators
from identity.model.codes import (
    KNOWN_SOURCES,
    MAX_WRONG_TRIES,
    Challenge,
    RateLimit,
    Source,
    Throttle,
    challenge,
    new_code,
)
from identity.model.facts import (
    AccessRevoked,
    AccountEnrolled,
    CodeIssued,
    Contact,
    MessageContent,
    OfficerRolesEnded,
    RevocationReason,
)
from identity.model.national_id import NationalId
from identity.model.persons import Person, PersonRecord, register
from identity.model.revocations import first_issue_time
from identity.model.sessions import MAX_GENERATION
from identity.networks import MAX_NETWORKS, Networks

NOW = datetime(2026, 5, 1, 9, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
RIGHT, WRONG = "a" * 64, "b" * 64
RECORD = PersonRecord(
    person_id="person-1",
    national_id=NationalId.parse("29001010112345", today=date(2026, 1, 1)),
    first_name="أحمد",
    mother_first_name="فاطمة",
    full_name="أحمد  محمد علي",
    address="شارع ١",
    governorate="01",
    sequence=2,
    record_time=NOW,
)
PERSON = register(None, RECORD, "key-1", NOW)
APPLICANT = accounts.Applicant(
    first_name="احمد",
    mother_first_name="فاطمه",
    person_key="key-1",
    account_id="account-1",
    mobile="+201012345678",
    mobile_key="mobile-1",
    channel="portal",
)

CLERK = {"clerk_id": "c", "clerk_person_id": "p", "clerk_person_key": "key-of-c"}


def enrolment(person: Person | None = PERSON) -> accounts.Enrolment:
    started = accounts.start_enrolment("e-1", APPLICANT, person, code="123456", code_hash=RIGHT, now=NOW)
    return started.state


def session(mobile: str = "+201012345678") -> sessions.Session:
    return sessions.start_sign_in(
        session_id="s-1",
        holder=sessions.Holder.CITIZEN,
        holder_id="account-1",
        channel="portal",
        mobile=mobile,
        code="123456",
        code_hash=RIGHT,
        now=NOW,
    ).state


@pytest.mark.parametrize(
    ("sequence", "record_time", "kept"),
    [
        (1, NOW + SECOND, "محمد"),
        (2, NOW - SECOND, "محمد"),
        (2, NOW, "محمود"),
        (2, NOW + SECOND, "محمود"),
        (3, NOW - SECOND, "محمود"),
    ],
)
def test_a_late_older_record_is_ignored(sequence: int, record_time: datetime, kept: str) -> None:
    """The registry's sequence decides, and its time where the sequences are equal."""
    person = register(None, replace(RECORD, full_name="محمد"), "key-1", NOW)
    other = replace(RECORD, full_name="محمود", sequence=sequence, record_time=record_time)

    assert register(person, other, "key-1", NOW).full_name == kept


def test_each_channel_is_for_citizens_or_for_officers() -> None:
    """A caller cannot choose the other group's channel, nor an unknown one."""
    assert {channels.for_citizens(channel) for channel in channels.SELF_SERVICE} == channels.SELF_SERVICE
    assert {channels.for_officers(channel) for channel in channels.STAFFED} == channels.STAFFED
    for channel in channels.STAFFED:
        with pytest.raises(errors.ChannelNotAllowed):
            channels.for_citizens(channel)
    for channel in channels.SELF_SERVICE:
        with pytest.raises(errors.ChannelNotAllowed):
            channels.for_officers(channel)
    for allowed in (channels.for_citizens, channels.for_officers):
        with pytest.raises(errors.ChannelUnknown):
            allowed("carrier_pigeon")


@pytest.mark.parametrize("started", [enrolment(), enrolment(None).complete(RIGHT, NOW).state])
def test_an_enrolment_creates_no_account_without_its_code(started: accounts.Enrolment) -> None:
    """Neither before the code is entered, nor for a decoy."""
    with pytest.raises(errors.EnrolmentNotFound):
        started.account(None, NOW)


def test_a_code_always_has_six_digits() -> None:
    """Leading zeros are kept."""
    assert [new_code(random_below) for random_below in (lambda _: 0, lambda _: 42, lambda n: n - 1)] == [
        "000000",
        "000042",
        "999999",
    ]


@given(st.lists(st.booleans(), max_size=12), st.booleans())
def test_attempts_are_counted_and_the_sixth_is_refused(tries: list[bool], real: bool) -> None:
    """For any sequence of attempts, a real code is accepted once, after fewer than five wrong ones."""
    kept = challenge(RIGHT, real=real, now=NOW)
    opened = wrong = 0
    for right in tries:
        expected: type[errors.IdentityError] | None
        if wrong >= MAX_WRONG_TRIES:
            expected = errors.CodeLocked
        elif opened:
            expected = errors.CodeExpired
        elif right and real:
            expected, opened = None, 1
        else:
            expected, wrong = errors.CodeWrong, wrong + 1

        kept, refusal = kept.attempt(RIGHT if right else WRONG, NOW + SECOND)

        assert (type(refusal) if refusal else None) is expected
        assert (kept.wrong_tries, kept.spent) == (wrong, bool(opened))


@pytest.mark.parametrize(
    ("after", "refusal"),
    [(timedelta(0), None), (timedelta(minutes=5) - SECOND, None), (timedelta(minutes=5), errors.CodeExpired)],
)
def test_a_code_expires_after_five_minutes(after: timedelta, refusal: type[Exception] | None) -> None:
    """It is valid until the last second before."""
    _, refused = challenge(RIGHT, real=True, now=NOW).attempt(RIGHT, NOW + after)

    assert (type(refused) if refused else None) is refusal


def test_a_decoy_refuses_the_right_code_as_a_wrong_one() -> None:
    """A caller cannot distinguish a decoy from a mistyped code."""
    decoy, real = (challenge(RIGHT, real=real, now=NOW) for real in (False, True))

    by_decoy, by_real = decoy.attempt(RIGHT, NOW)[1], real.attempt(WRONG, NOW)[1]

    assert isinstance(by_decoy, errors.CodeWrong)
    assert isinstance(by_real, errors.CodeWrong)
    assert (str(by_decoy), by_decoy.metadata) == (str(by_real), by_real.metadata)


LIMIT = RateLimit(per_hour=5, min_interval=timedelta(minutes=1), unknown_per_hour=8, unknown_per_day=12)
DEVICE, NETWORKS = Source("device", known=True), [Source(f"network {n}", known=False) for n in range(4)]


def test_one_code_a_minute() -> None:
    """The refusal of a second one within a minute contains the time to wait."""
    kept = Throttle.new("k").start(DEVICE, LIMIT, NOW)

    with pytest.raises(errors.CodeTooSoon) as refused:
        kept.start(DEVICE, LIMIT, NOW + 59 * SECOND)

    assert refused.value.metadata == {"retry_after_seconds": "1"}
    assert kept.start(DEVICE, LIMIT, NOW + 60 * SECOND)


def test_a_source_waits_for_its_own_codes_only() -> None:
    """Another source, and a device above all, is served within the same second."""
    kept = Throttle.new("k").start(NETWORKS[0], LIMIT, NOW)

    for source in (NETWORKS[1], DEVICE):
        kept = kept.start(source, LIMIT, NOW + SECOND)

    assert len(kept.starts) == 3


@given(st.lists(st.tuples(st.integers(0, 1200), st.sampled_from([DEVICE, *NETWORKS])), max_size=80))
def test_never_more_than_the_limits_in_any_hour_and_day(requests: list[tuple[int, Source]]) -> None:
    """For any sequence of starts: the limits of each source, those of unknown sources together, a bounded list."""
    kept, now = Throttle.new("k"), NOW
    accepted, pauses = list[tuple[datetime, Source]](), list[int]()
    for wait, source in requests:
        now += timedelta(seconds=wait)
        try:
            kept = kept.start(source, LIMIT, now)
        except errors.IdentityError as refusal:
            pauses.append(int(refusal.metadata["retry_after_seconds"]))
            continue
        accepted.append((now, source))
    assert all(pause >= 1 for pause in pauses)

    def most(times: list[datetime], period: timedelta) -> int:
        return max((sum(start <= time < start + period for time in times) for start in times), default=0)

    hour, day = timedelta(hours=1), timedelta(days=1)
    for source in (DEVICE, *NETWORKS):
        own = [time for time, one in accepted if one == source]
        assert most(own, hour) <= LIMIT.per_hour
        assert all(later - earlier >= LIMIT.min_interval for earlier, later in pairwise(own))
    for source in NETWORKS:
        own = [time for time, one in accepted if one == source]
        assert most(own, hour) <= LIMIT.unknown_per_hour / 2
        assert most(own, day) <= LIMIT.unknown_per_day / 2
    unknown = [time for time, one in accepted if not one.known]
    assert most(unknown, hour) <= LIMIT.unknown_per_hour
    assert most(unknown, day) <= LIMIT.unknown_per_day
    assert len(kept.starts) <= LIMIT.unknown_per_day + LIMIT.per_hour


@given(st.lists(st.tuples(st.integers(0, 1200), st.sampled_from(NETWORKS)), max_size=60))
def test_no_stranger_delays_a_known_device(requests: list[tuple[int, Source]]) -> None:
    """After any requests of others, the device gets a code at once."""
    kept, now = Throttle.new("k"), NOW
    for wait, source in requests:
        now += timedelta(seconds=wait)
        with contextlib.suppress(errors.IdentityError):
            kept = kept.start(source, LIMIT, now)

    kept.start(DEVICE, LIMIT, now)


@pytest.mark.parametrize("per_hour", [1, 5, 100])
@given(waits=st.lists(st.integers(0, 7200), max_size=60))
def test_no_single_stranger_uses_up_the_limit_of_all(per_hour: int, waits: list[int]) -> None:
    """Neither by a fast flood nor by a slow one that lasts for days: another address gets a code at once."""
    limit = replace(LIMIT, per_hour=per_hour)
    kept, now = Throttle.new("k"), NOW
    for wait in waits:
        now += timedelta(seconds=wait)
        with contextlib.suppress(errors.IdentityError):
            kept = kept.start(NETWORKS[0], limit, now)

    kept.start(NETWORKS[1], limit, now)


def test_a_device_of_each_sign_in_gives_no_unlimited_number_of_codes() -> None:
    """Of an owner who requests a code with the device of each sign-in before. An hour later there are codes again."""
    kept, accepted = Throttle.new("k"), 0
    for number in range(200):
        with contextlib.suppress(errors.TooManyStarts):
            kept = kept.start(Source(f"device {number}", known=True), LIMIT, NOW + number * SECOND)
            accepted += 1

    assert accepted == len(kept.starts) == KNOWN_SOURCES * LIMIT.per_hour
    with pytest.raises(errors.TooManyStarts) as refused:
        kept.start(DEVICE, LIMIT, NOW + 200 * SECOND)
    assert refused.value.metadata == {"retry_after_seconds": "3400"}
    assert kept.start(NETWORKS[0], LIMIT, NOW + 200 * SECOND)
    assert kept.start(DEVICE, LIMIT, NOW + 3600 * SECOND)


def test_a_network_makes_a_limited_number_of_requests() -> None:
    """The next hour, and other networks, are not affected."""
    networks = Networks(2)
    for _ in range(2):
        networks.count("192.0.2.1/32", NOW)

    with pytest.raises(errors.TooManyStarts) as refused:
        networks.count("192.0.2.1/32", NOW + timedelta(minutes=59))

    assert refused.value.metadata == {"retry_after_seconds": "60"}
    networks.count("192.0.2.2/32", NOW)
    networks.count("192.0.2.1/32", NOW + timedelta(hours=1))


def test_a_limited_number_of_networks_is_counted() -> None:
    """A flood from many networks does not fill the memory."""
    networks = Networks(1)
    for number in range(MAX_NETWORKS + 10):
        networks.count(str(number), NOW)

    assert len(networks._counts) == MAX_NETWORKS


def test_matching_data_issue_a_code() -> None:
    """The data match in another spelling."""
    started = accounts.start_enrolment("e-1", APPLICANT, PERSON, code="123456", code_hash=RIGHT, now=NOW)

    expire_time = NOW + timedelta(minutes=5)
    assert started.facts == (
        CodeIssued("code.enrolment", MessageContent("+201012345678", {"code": "123456"}), expire_time),
    )
    assert started.state.challenge.real


@pytest.mark.parametrize(
    ("person", "applicant"),
    [
        (None, APPLICANT),
        (PERSON, replace(APPLICANT, first_name="محمود")),
        (PERSON, replace(APPLICANT, mother_first_name="زينب")),
    ],
    ids=["unknown", "other name", "other mother"],
)
def test_data_that_do_not_match_create_a_decoy(person: Person | None, applicant: accounts.Applicant) -> None:
    """No code is issued, and the answer has the same parts."""
    started = accounts.start_enrolment("e-1", applicant, person, code="123456", code_hash=RIGHT, now=NOW)

    assert started.facts == ()
    assert not started.state.challenge.real
    assert started.state.challenge.expire_time == enrolment().challenge.expire_time
    assert isinstance(started.state.complete(RIGHT, NOW).refusal, errors.CodeWrong)


def test_a_completed_enrolment_creates_an_account() -> None:
    """The account has substantial assurance and the registry's person, and a fact states it."""
    completed = enrolment().complete(RIGHT, NOW).state

    created = completed.account(None, NOW)

    assert (created.state.person_id, created.state.assurance_level) == (
        "person-1",
        accounts.Assurance.SUBSTANTIAL,
    )
    fact = AccountEnrolled(
        "account-1", "person-1", accounts.Assurance.SUBSTANTIAL, "portal", Contact("+201012345678", "ar")
    )
    assert created.facts == (fact,)


def test_a_person_has_one_account() -> None:
    """A second one is refused, online and at a counter."""
    completed = enrolment().complete(RIGHT, NOW).state
    kept = completed.account(None, NOW).state

    with pytest.raises(errors.AlreadyEnrolled):
        completed.account(kept, NOW)
    with pytest.raises(errors.AlreadyEnrolled):
        accounts.enrol_at_counter(kept, APPLICANT, PERSON, **CLERK, now=NOW)


def test_a_counter_gives_high_assurance() -> None:
    """The account records the clerk who saw the card."""
    created = accounts.enrol_at_counter(None, APPLICANT, PERSON, **CLERK, now=NOW)

    assert (created.state.assurance_level, created.state.enrolled_by) == (accounts.Assurance.HIGH, "c")


@pytest.mark.parametrize("own", [{"clerk_person_id": "person-1"}, {"clerk_person_key": "key-1"}])
def test_a_clerk_does_not_enrol_themselves(own: dict[str, str]) -> None:
    """By the person in the token, or by the national ID of the registration."""
    with pytest.raises(errors.OwnCase):
        accounts.enrol_at_counter(None, APPLICANT, PERSON, **(CLERK | own), now=NOW)


@pytest.mark.parametrize(
    "mobile", ["+201312345678", "+20101234567", "+2010123456789", "01012345678", "+20101234567٨", ""]
)
def test_a_mobile_that_is_not_egyptian_is_refused(mobile: str) -> None:
    """A valid one is in E.164, of one of four networks, with eight further digits."""
    with pytest.raises(errors.MobileInvalid):
        accounts.mobile_number(mobile)


def test_a_mobile_is_masked() -> None:
    """Only the last three digits are visible."""
    assert accounts.masked("+201012345678") == "**********678"


def test_a_record_is_updated_and_a_conflict_refused() -> None:
    """A corrected name replaces the old one; another person with the same number is a conflict."""
    corrected = register(PERSON, replace(RECORD, first_name="محمود"), "key-1", NOW + SECOND)

    assert corrected.matches("محمود", "فاطمة")
    assert corrected.registered_at == NOW
    with pytest.raises(errors.RecordConflict):
        register(PERSON, replace(RECORD, person_id="person-2"), "key-1", NOW)
    with pytest.raises(errors.NameInvalid):
        register(None, replace(RECORD, first_name="..."), "key-1", NOW)


def test_the_right_code_opens_a_session_of_twelve_hours() -> None:
    """The first refresh token is of generation 1."""
    opened = session().complete(RIGHT, NOW).state

    assert (opened.generation, opened.issued(1)) == (1, NOW)
    assert opened.is_open(NOW + timedelta(hours=12) - SECOND)
    assert not opened.is_open(NOW + timedelta(hours=12))


def test_an_old_refresh_token_ends_the_session() -> None:
    """A reused token may be stolen, so the session ends for all holders."""
    refreshed = session().complete(RIGHT, NOW).state.refresh(1, NOW + SECOND).state

    again = refreshed.refresh(1, NOW + 2 * SECOND)

    assert isinstance(again.refusal, errors.SessionEnded)
    assert again.state.stage is sessions.Stage.ENDED
    assert isinstance(again.state.refresh(2, NOW + 3 * SECOND).refusal, errors.SessionEnded)
    with pytest.raises(errors.SessionEnded):
        refreshed.issued(1)


def test_a_pending_or_signed_out_session_refreshes_nothing() -> None:
    """A session needs its code, and cannot be continued after its end."""
    assert session().refresh(0, NOW).refusal
    assert session().complete(RIGHT, NOW).state.sign_out(NOW).state.refresh(1, NOW).refusal


def test_a_sign_in_without_a_mobile_is_a_decoy() -> None:
    """No code is sent, and no code is accepted."""
    decoy = session(mobile="")

    assert isinstance(decoy.complete(RIGHT, NOW).refusal, errors.CodeWrong)


def test_a_confirmation_belongs_to_its_account_and_session() -> None:
    """An attempt of another account, or in another session, is not counted."""
    started = confirmations.start_confirmation(
        confirmation_id="c-1",
        account_id="account-1",
        session_id="s-1",
        mobile="+201012345678",
        purpose="notary.power_of_attorney.submit",
        digest="0" * 64,
        code="123456",
        code_hash=RIGHT,
        now=NOW,
    ).state

    with pytest.raises(errors.ConfirmationNotFound):
        started.complete("account-2", "s-1", RIGHT, NOW)
    with pytest.raises(errors.ConfirmationNotFound):
        started.complete("account-1", "s-2", RIGHT, NOW)
    assert started.complete("account-1", "s-1", WRONG, NOW).state.confirmed_at is None
    assert started.complete("account-1", "s-1", RIGHT, NOW).state.confirmed_at == NOW


def form(*roles: str, office: str = "cairo-1") -> officers.OfficerForm:
    return officers.OfficerForm(
        officer_id="o-1",
        staff_number="A-100",
        person_key="key-1",
        mobile="+201012345678",
        mobile_key="mobile-1",
        roles=roles,
        office_id=office,
    )


def registered(officer_id: str, *roles: str, person_key: str = "") -> officers.Officer:
    """Return an officer, by default of a person of their own."""
    filled = replace(form("administrator"), officer_id=officer_id, person_key=person_key or officer_id)
    return replace(
        officers.register_officer(None, filled, None, NOW).state, roles=roles or ("administrator",)
    )


@pytest.mark.parametrize(
    ("roles", "office", "administrator", "refusal"),
    [
        (("administrator",), "", None, None),
        (("administrator", "clerk"), "cairo-1", None, None),
        (("clerk",), "cairo-1", None, errors.FirstMustBeAdministrator),
        (("clerk",), "cairo-1", registered("o-0"), None),
        (("clerk",), "", registered("o-0"), errors.OfficeRequired),
        (("reviewer",), "", registered("o-0"), None),
        (("reviewer",), "", registered("o-0", person_key="key-1"), errors.OwnRights),
    ],
)
def test_the_registration_of_an_officer_has_rules(
    roles: tuple[str, ...],
    office: str,
    administrator: officers.Officer | None,
    refusal: type[Exception] | None,
) -> None:
    """The operator registers the first administrator; a clerk needs an office; nobody appoints themselves."""
    if refusal:
        with pytest.raises(refusal):
            officers.register_officer(None, form(*roles, office=office), administrator, NOW)
        return

    created = officers.register_officer(None, form(*roles, office=office), administrator, NOW).state

    assert created.first is (administrator is None)
    with pytest.raises(errors.StaffNumberTaken):
        officers.register_officer(created, form(*roles, office=office), administrator, NOW)


def test_ended_roles_are_recorded_and_end_all_sessions() -> None:
    """The other roles remain; without any, the mobile may be registered again."""
    officer, administrator = registered("o-1", "auditor", "clerk"), registered("o-0")

    first = officer.end_roles(["clerk"], administrator, "moved", NOW)
    last = first.state.end_roles(["auditor"], administrator, "retired", NOW + SECOND)

    ended, revoked = first.facts
    assert ended == OfficerRolesEnded("o-1", ("clerk",), ("auditor",), "o-0")
    assert isinstance(revoked, AccessRevoked)
    assert (revoked.subject_id, revoked.revoke_time) == ("o-1", NOW)
    assert first.state.mobile_key == officer.mobile_key
    assert (last.state.roles, last.state.mobile_key) == ((), "o-1")
    assert [(each.roles, each.reason, each.ended_by) for each in last.state.ended] == [
        (("clerk",), "moved", "o-0"),
        (("auditor",), "retired", "o-0"),
    ]


def test_an_administrator_ends_no_roles_of_their_own() -> None:
    """Neither with this staff number nor with another one; and no role that the officer does not have."""
    administrator = registered("o-0", person_key="key-0")
    other = registered("o-1", "reviewer", person_key="key-0")

    with pytest.raises(errors.OwnRights):
        administrator.end_roles(["administrator"], administrator, "tired", NOW)
    with pytest.raises(errors.OwnRights):
        other.end_roles(["reviewer"], administrator, "tired", NOW)
    with pytest.raises(errors.RoleNotHeld):
        registered("o-2", "reviewer").end_roles(["reviewer", "clerk"], administrator, "wrong", NOW)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=30))
def test_an_administrator_always_remains(attempts: list[tuple[int, int]]) -> None:
    """In whatever order four administrators try to end each other's role."""
    known, left = Administrators(), {0, 1, 2, 3}

    for by, of in attempts:
        if by == of:
            continue  # refused by the officer's own rule
        try:
            known = known.end(f"o-{of}", f"o-{by}", NOW)
        except errors.AdministratorEnded:
            assert by not in left
            continue
        left.discard(of)
        assert by in left

    assert left


def test_a_token_of_the_second_of_a_revocation_states_the_next_second() -> None:
    """It was issued after the revocation, but its whole second would not show that."""
    revoked = NOW + timedelta(milliseconds=300)

    assert first_issue_time(NOW + timedelta(milliseconds=900), revoked) == NOW + SECOND
    assert first_issue_time(NOW + 5 * SECOND, revoked) == NOW + 5 * SECOND
    assert first_issue_time(NOW, None) == NOW


def test_a_token_does_not_outlive_its_session() -> None:
    """The last refresh gives a shorter token."""
    opened = session().complete(RIGHT, NOW).state

    assert opened.token_lifetime(NOW) == timedelta(minutes=15)
    assert opened.token_lifetime(NOW + timedelta(hours=11, minutes=50)) == timedelta(minutes=10)


def test_the_end_of_a_session_revokes_its_tokens_once() -> None:
    """By sign-out and by the second use of a refresh token; a second sign-out revokes nothing more."""
    opened = session().complete(RIGHT, NOW).state

    signed_out = opened.sign_out(NOW)
    reused = opened.refresh(1, NOW).state.refresh(1, NOW)

    for outcome, reason in (
        (signed_out, RevocationReason.SIGNED_OUT),
        (reused, RevocationReason.REFRESH_TOKEN_REUSED),
    ):
        (fact,) = outcome.facts
        assert isinstance(fact, AccessRevoked)
        assert (fact.session_id, fact.subject_id, fact.reason) == ("s-1", "", reason)
        assert fact.expire_time >= NOW + timedelta(minutes=15, seconds=30)
    assert signed_out.state.sign_out(NOW).facts == ()


def test_refreshes_leave_room_for_the_end_of_a_session() -> None:
    """A client in a loop, or a thief, does not use up the requests that the store remembers of a session."""
    opened = session().complete(RIGHT, NOW).state
    for generation in range(1, MAX_GENERATION):
        opened = opened.refresh(generation, NOW).state

    last = opened.refresh(MAX_GENERATION, NOW)

    assert (last.state, last.facts, type(last.refusal)) == (opened, (), errors.SessionEnded)
    assert opened.generation == MAX_GENERATION < Limits().requests - 20
    assert opened.sign_out(NOW).facts
    assert opened.refresh(MAX_GENERATION - 1, NOW).facts


def test_a_service_states_the_purpose_of_a_read() -> None:
    """A read without a purpose is refused; a citizen reads only their own account."""
    with pytest.raises(errors.PurposeRequired):
        records.stated_purpose(" ")
    assert records.stated_purpose(" agent of a case ") == "agent of a case"
    with pytest.raises(errors.NotOwnAccount):
        records.check_own("a", "b")
    records.check_own("a", "a")


def test_an_assertion_is_used_once() -> None:
    """The second use is refused."""
    used = records.use_assertion(None, "notary", NOW)

    assert used.forget_time > NOW
    with pytest.raises(errors.AssertionUsed):
        records.use_assertion(used, "notary", NOW)


def test_challenges_hold_no_code() -> None:
    """Only the keyed hash is stored."""
    assert set(Challenge.__dataclass_fields__) == {"code_hash", "expire_time", "real", "wrong_tries", "spent"}

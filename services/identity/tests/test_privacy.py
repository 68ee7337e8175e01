"""No personal data leak by logs, spans, events, errors or the duration of an answer."""

import re
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from chassis.key_ring import KeyRing
from diwan.identity.v1 import identity_pb2 as pb

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="session")]


def sign_in(person: Any) -> pb.StartSignInRequest:
    return pb.StartSignInRequest(
        request_id=str(uuid.uuid4()), national_id=person.national_id, channel="portal"
    )


def by_number(number: str) -> pb.StartSignInRequest:
    return pb.StartSignInRequest(request_id=str(uuid.uuid4()), staff_number=number, channel="post_office")


async def test_a_start_does_the_same_work_for_known_and_unknown(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has the same store operations in the same order, and the same sealed fields."""
    seals: list[str] = []
    seal = KeyRing.seal

    def counted(keys: KeyRing, plaintext: str, reader: str, binding: Any) -> str:
        seals.append(f"{reader}/{len(plaintext)}")
        return seal(keys, plaintext, reader, binding)

    async def work(call: Callable[[], Awaitable[Any]]) -> tuple[list[str], list[str]]:
        await world.answered()
        world.spans.clear()
        seals.clear()
        await call()
        await world.answered()
        spans = world.spans.get_finished_spans()
        trace = next(span.context.trace_id for span in spans if "IdentityService/" in span.name)
        steps = [s for s in spans if s.context.trace_id == trace and "identity.commands" not in s.name]
        return [span.name for span in sorted(steps, key=lambda span: span.start_time)], list(seals)

    known, unknown = await world.registered(), world.stranger()
    account, _ = await world.enrolled()
    monkeypatch.setattr(KeyRing, "seal", counted)
    pairs = [
        [lambda p=p: world.call("StartEnrolment", world.enrolment(p)) for p in (known, unknown)],
        [lambda p=p: world.call("StartSignIn", sign_in(p)) for p in (account, world.stranger())],
    ]

    for one, other in pairs:
        assert await work(one) == await work(other)
        assert seals

    # A wrong code for a known and an unknown officer: the holder is read only after a right code.
    officer = await world.registered()
    registration = pb.RegisterOfficerRequest(
        request_id=str(uuid.uuid4()),
        staff_number="AUD-7701",
        national_id=officer.national_id,
        mobile=officer.mobile,
        roles=["auditor"],
    )
    await world.call("RegisterOfficer", registration, world.officer("administrator"))
    sign_ins = [await world.call("StartSignIn", by_number(number)) for number in ("AUD-7701", "AUD-7702")]
    right = await world.phones.code(officer.mobile)

    def wrong(started: pb.StartSignInResponse) -> pb.CompleteSignInRequest:
        code = f"{(int(right) + 1) % 1_000_000:06}"
        return pb.CompleteSignInRequest(
            request_id=str(uuid.uuid4()), sign_in_id=started.sign_in_id, code=code
        )

    works = [
        await work(lambda started=started: world.refusal("CompleteSignIn", wrong(started)))  # type: ignore[misc]
        for started in sign_ins
    ]
    assert works[0] == works[1]
    assert [step for step in works[0][0] if step.startswith("find ")] == ["find sessions"]


async def test_no_personal_data_leak(world: Any) -> None:
    """A national ID and a mobile that were used in all RPCs are in no log, span, event, outbox or error."""
    person = await world.registered()
    started = await world.call("StartEnrolment", world.enrolment(person))
    code = await world.phones.code(person.mobile)
    completion = pb.CompleteEnrolmentRequest(
        request_id=str(uuid.uuid4()), enrolment_id=started.enrolment_id, code=code
    )
    account = await world.call("CompleteEnrolment", completion)
    await world.signed_in(person)
    await world.call(
        "GetAccount",
        pb.GetAccountRequest(national_id=person.national_id, purpose="a test"),
        world.service("notary"),
    )
    await world.parked(world.publish(replace(person, person_id=str(uuid.uuid4()))))
    texts = []
    for rpc, request in (
        ("EnrolAtCounter", world.card(person)),
        ("EnrolAtCounter", world.card(replace(await world.registered(), mobile=person.mobile))),
        ("StartEnrolment", world.enrolment(person, mobile=person.mobile + "9")),
        ("StartEnrolment", world.enrolment(person)),
    ):
        texts.append(str(await world.refusal(rpc, request, world.officer("clerk"))))
    await world.phones.await_text(account.account_id)
    await world.answered()

    texts_by_place = {
        "log": world.logs.getvalue(),
        "spans": "".join(span.to_json() for span in world.spans.get_finished_spans()),
        "errors": "".join(texts),
        "events": "".join(world.phones.bodies),
        "inbox": "".join(map(str, world.database["inbox"].find())),
        "outboxes": "".join(
            str(document.get("outbox")) + str(document.get("requests"))
            for name in world.database.list_collection_names()
            for document in world.database[name].find()
        ),
    }

    assert account.account_id in texts_by_place["events"]
    for place, text in texts_by_place.items():
        assert text, place
        for secret in (person.national_id, person.mobile, person.mobile[3:], person.full_name):
            assert secret not in text, place
    # The six digits as a token of their own, not as a part of a time or an id.
    as_token = re.compile(rf"(?<![\w.-]){code}(?![\w-])")
    assert not as_token.search(texts_by_place["log"] + texts_by_place["events"] + texts_by_place["outboxes"])


async def test_codes_are_stored_as_keyed_hashes(world: Any) -> None:
    """Once a code is sent, its command is in no document."""
    person = await world.registered()
    started = await world.call("StartEnrolment", world.enrolment(person))
    await world.phones.code(person.mobile)

    def stored() -> Any:
        return world.database["enrolments"].find_one({"_id": started.enrolment_id})

    await world.until(lambda: stored()["unsent"] == 0)
    assert len(stored()["state"]["challenge"]["code_hash"]) == 64
    assert stored()["outbox"] == []

    def command_is_stored() -> bool:
        names = world.database.list_collection_names()
        return any(
            "SendMessage" in str(document) for name in names for document in world.database[name].find()
        )

    await world.until(lambda: not command_is_stored())

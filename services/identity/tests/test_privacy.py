"""What must never be told: by logs, spans, events, errors, or by how long an answer takes."""

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
    """The same round trips to the store in the same order, the same number of seals."""
    seals: list[str] = []
    seal = KeyRing.seal

    def counted(keys: KeyRing, plaintext: str, reader: str, binding: Any) -> str:
        seals.append(f"{reader}/{len(plaintext)}")
        return seal(keys, plaintext, reader, binding)

    async def work(ask: Callable[[], Awaitable[Any]]) -> tuple[list[str], list[str]]:
        await world.answered()
        world.spans.clear()
        seals.clear()
        await ask()
        await world.answered()
        spans = world.spans.get_finished_spans()
        trace = next(span.context.trace_id for span in spans if "IdentityService/" in span.name)
        steps = [s for s in spans if s.context.trace_id == trace and "identity.commands" not in s.name]
        return [span.name for span in sorted(steps, key=lambda span: span.start_time)], list(seals)

    known, stranger = await world.registered(), world.stranger()
    account, _ = await world.enrolled()
    monkeypatch.setattr(KeyRing, "seal", counted)
    pairs = [
        [lambda p=p: world.call("StartEnrolment", world.enrolment(p)) for p in (known, stranger)],
        [lambda p=p: world.call("StartSignIn", sign_in(p)) for p in (account, world.stranger())],
    ]

    for one, other in pairs:
        assert await work(one) == await work(other)
        assert seals

    # A code that is wrong for somebody, and one for nobody: no holder is read before the code is right.
    officer = await world.registered()
    registering = pb.RegisterOfficerRequest(
        request_id=str(uuid.uuid4()),
        staff_number="AUD-7701",
        national_id=officer.national_id,
        mobile=officer.mobile,
        roles=["auditor"],
    )
    await world.call("RegisterOfficer", registering, world.officer("administrator"))
    signing = [await world.call("StartSignIn", by_number(number)) for number in ("AUD-7701", "AUD-7702")]
    right = await world.phones.code(officer.mobile)

    def wrong(started: pb.StartSignInResponse) -> pb.CompleteSignInRequest:
        code = f"{(int(right) + 1) % 1_000_000:06}"
        return pb.CompleteSignInRequest(
            request_id=str(uuid.uuid4()), sign_in_id=started.sign_in_id, code=code
        )

    works = [
        await work(lambda started=started: world.refusal("CompleteSignIn", wrong(started)))  # type: ignore[misc]
        for started in signing
    ]
    assert works[0] == works[1]
    assert [step for step in works[0][0] if step.startswith("find ")] == ["find sessions"]


async def test_nothing_personal_is_told(world: Any) -> None:
    """A national ID and a mobile that went all ways stand in no log, span, event, outbox or error."""
    person = await world.registered()
    started = await world.call("StartEnrolment", world.enrolment(person))
    code = await world.phones.code(person.mobile)
    tried = pb.CompleteEnrolmentRequest(
        request_id=str(uuid.uuid4()), enrolment_id=started.enrolment_id, code=code
    )
    account = await world.call("CompleteEnrolment", tried)
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
    await world.phones.brought(account.account_id)
    await world.answered()

    told = {
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

    assert account.account_id in told["events"]
    for where, text in told.items():
        assert text, where
        for secret in (person.national_id, person.mobile, person.mobile[3:], person.full_name):
            assert secret not in text, where
    # Six digits that stand for themselves, not a part of a second or of an id.
    itself = re.compile(rf"(?<![\w.-]){code}(?![\w-])")
    assert not itself.search(told["log"] + told["events"] + told["outboxes"])


async def test_codes_lie_in_the_store_as_keyed_hashes(world: Any) -> None:
    """And once sent, the message is in no document."""
    person = await world.registered()
    started = await world.call("StartEnrolment", world.enrolment(person))
    await world.phones.code(person.mobile)

    def kept() -> Any:
        return world.database["enrolments"].find_one({"_id": started.enrolment_id})

    await world.until(lambda: kept()["unsent"] == 0)
    assert len(kept()["state"]["challenge"]["code_hash"]) == 64
    assert kept()["outbox"] == []

    def anywhere() -> bool:
        names = world.database.list_collection_names()
        return any(
            "SendMessage" in str(document) for name in names for document in world.database[name].find()
        )

    await world.until(lambda: not anywhere())

"""A running notary for tests: a real server on a real store, with a fake identity as a gRPC server."""

import itertools
import json
import secrets
from collections.abc import Awaitable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid4, uuid5

import grpc
from chassis.caller import Caller, Kind
from chassis.domain import DomainError
from chassis.errors import to_status
from chassis.key_ring import KeyRing
from chassis.messaging.event_encoder import EventEncoder
from chassis.messaging.inbound import InboundEvent
from chassis.messaging.policies import Policies
from chassis.readiness import Readiness
from chassis.rpc.client import connect, failure_of, identity_exchange
from chassis.rpc.server import Server
from chassis.store import Database
from chassis.telemetry import Telemetry
from chassis.tokens import (
    ServiceTokens,
    TokenKeys,
    generate_key,
    key_set,
    sign_access,
    sign_confirmation,
    verify_access,
)
from diwan.identity.v1 import identity_pb2, identity_pb2_grpc
from diwan.notary.v1 import notary_pb2 as pb
from diwan.notary.v1 import notary_pb2_grpc
from diwan.payments.v1.events_pb2 import PaymentSettled
from grpc_status import rpc_status
from notary import catalogue, commands, policies
from notary.accounts import Accounts
from notary.api import PowerOfAttorneyApi
from notary.context import Context
from notary.errors import ERRORS
from notary.metrics import Metrics
from notary.settings import Settings
from notary.store import Store

NAMES = ["محمد أحمد علي حسن", "فاطمة إبراهيم سيد", "مصطفى محمود", "سارة عبد الله", "يوسف كمال"]
DRAFTS_PER_HOUR = 20
SPECIAL = "ولا يجوز للوكيل بيع الشقة."


def uid(text: str) -> str:
    return str(uuid5(NAMESPACE_URL, text))


@dataclass(frozen=True)
class Person:
    """A citizen with an account."""

    number: int
    governorate: str = "01"

    @property
    def account(self) -> str:
        return uid(f"account-{self.number}")

    @property
    def id(self) -> str:
        return uid(f"person-{self.number}")

    @property
    def name(self) -> str:
        return NAMES[self.number % len(NAMES)]

    @property
    def first_name(self) -> str:
        return self.name.split()[0]

    @property
    def national_id(self) -> str:
        return f"290010101{self.number:05d}"


class NationalIdInvalid(DomainError):
    """Identity's refusal."""

    reason = "NATIONAL_ID_INVALID"
    code = "INVALID_ARGUMENT"


class Identity(identity_pb2_grpc.IdentityServiceServicer):
    """A fake identity with a few people; it records the calls of GetAccount.

    Attributes:
        people: the accounts.
        calls: subject, caller and purpose of each call.
        down: whether calls fail with UNAVAILABLE.
    """

    def __init__(self, key: Any) -> None:
        self.key = key
        self.people: list[Person] = []
        self.calls: list[tuple[str, Caller, str]] = []
        self.down = False

    async def GetAccount(self, request, context):
        if self.down:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "down")
        bearer = dict(context.invocation_metadata())["authorization"].removeprefix("Bearer ")
        caller = verify_access(bearer, key_set(self.key), audience="identity", now=datetime.now(UTC))
        self.calls.append((request.WhichOneof("subject"), caller, request.purpose))
        if request.national_id[3:7] == "0231":
            # As identity refuses it.
            refused = to_status(
                NationalIdInvalid(part="birth_date"), "identity", frozenset({NationalIdInvalid})
            )
            await context.abort_with_status(rpc_status.to_status(refused))
        for person in self.people:
            matches = (person.national_id, person.first_name) == (request.national_id, request.first_name)
            if person.account == request.account_id or matches:
                return identity_pb2.Account(
                    account_id=person.account,
                    person_id=person.id,
                    full_name=person.name,
                    national_id=person.national_id,
                    governorate=person.governorate,
                )
        return await context.abort(grpc.StatusCode.NOT_FOUND, "no such account")

    async def IssueServiceToken(self, request, context):
        now = datetime.now(UTC)
        caller = Caller(kind=Kind.SERVICE, id="notary", acting_for=request.acting_for)
        answer = identity_pb2.IssueServiceTokenResponse(
            access_token=sign_access(self.key, caller, audience=request.audience, now=now, jti=str(uuid4()))
        )
        answer.expire_time.FromDatetime(now + timedelta(minutes=15))
        return answer


@dataclass
class World:
    """A running notary for one test."""

    ctx: Context
    stub: Any
    key: Any
    identity: Identity
    database: Database
    printer: Any
    numbers: Any = field(default_factory=lambda: itertools.count(1))

    @property
    def store(self) -> Store:
        return self.ctx.store

    def person(self, governorate: str = "01") -> Person:
        person = Person(next(self.numbers), governorate)
        self.identity.people.append(person)
        return person

    def bearer(self, caller: Caller) -> tuple[tuple[str, str], ...]:
        token = sign_access(self.key, caller, audience="notary", now=datetime.now(UTC), jti=str(uuid4()))
        return (("authorization", f"Bearer {token}"),)

    def citizen(self, person: Person) -> tuple[tuple[str, str], ...]:
        return self.bearer(Caller(kind=Kind.CITIZEN, id=person.account, person=person.id, channel="portal"))

    def officer(self, name: str, role: str, office: str = "", person: str | None = None):
        person = uid(f"person-of-{name}") if person is None else person
        return self.bearer(
            Caller(kind=Kind.OFFICER, id=uid(name), person=person, roles=frozenset({role}), office=office)
        )

    def reviewer(self, name: str = "reviewer", person: str | None = None):
        return self.officer(name, "reviewer", person=person)

    def confirmation(self, person: Person, digest: str, **changed: Any) -> str:
        content = {"account": person.account, "purpose": commands.PURPOSE, "audience": "notary"}
        content |= {"now": datetime.now(UTC), "jti": str(uuid4()), "digest": digest} | changed
        return sign_confirmation(self.key, **content)

    async def draft(self, principal: Person, agent: Person, **changed: Any) -> Any:
        return await self.stub.DraftPowerOfAttorney(
            drafting(agent, **changed), metadata=self.citizen(principal)
        )

    async def submitted(self, principal: Person, agent: Person) -> Any:
        case = await self.draft(principal, agent)
        return await self.stub.SubmitPowerOfAttorney(
            pb.SubmitPowerOfAttorneyRequest(
                request_id=str(uuid4()),
                power_of_attorney_id=case.power_of_attorney_id,
                confirmation=self.confirmation(principal, case.digest),
            ),
            metadata=self.citizen(principal),
        )

    async def paid(self, principal: Person, agent: Person) -> Any:
        case = await self.submitted(principal, agent)
        await self.settle(case.power_of_attorney_id)
        return case

    async def claimed(self, principal: Person, agent: Person, reviewer: str = "reviewer") -> Any:
        await self.paid(principal, agent)
        return await self.stub.ClaimNextReview(
            pb.ClaimNextReviewRequest(request_id=str(uuid4())), metadata=self.reviewer(reviewer)
        )

    async def approved(self, principal: Person, agent: Person) -> Any:
        case = await self.claimed(principal, agent)
        return await self.stub.DecideReview(deciding(case.power_of_attorney_id), metadata=self.reviewer())

    async def issued(self, principal: Person, agent: Person) -> Any:
        case = await self.approved(principal, agent)
        await self.print(case.power_of_attorney_id)
        return await self.get(case.power_of_attorney_id, self.citizen(principal))

    async def get(self, case_id: str, metadata: Any) -> Any:
        return await self.stub.GetPowerOfAttorney(
            pb.GetPowerOfAttorneyRequest(power_of_attorney_id=case_id), metadata=metadata
        )

    async def settle(self, case_id: str, payment: str = "", event_id: str = "") -> None:
        """Let notary's policy see that a fee was paid."""
        message = PaymentSettled(payment_id=payment or str(uuid4()), subject_id=case_id)
        await self.handle(
            "notary.payments.payment", "payments.events", "payments", payment or case_id, message, event_id
        )

    async def print(self, case_id: str, event_id: str = "") -> None:
        """Deliver the approval event of a case to notary's own policy, which renders the document."""
        entry = (await self.outbox(case_id))[-1]
        message = policies.PowerOfAttorneyApproved(power_of_attorney_id=case_id)
        queue = "notary.notary.power_of_attorney"
        await self.handle(queue, "notary.events", "notary", case_id, message, event_id or entry["id"])

    async def handle(self, queue, exchange, source, subject, message, event_id="") -> None:
        now = datetime.now(UTC)
        inbound = InboundEvent(
            queue=queue,
            exchange=exchange,
            user=source,
            id=event_id or str(uuid4()),
            type=message.DESCRIPTOR.full_name,
            source=f"diwan/{source}",
            subject=subject,
            sequence=1,
            time=now.isoformat().replace("+00:00", "Z"),
        )
        (policy,) = Policies("notary", policies.table(self.ctx, self.printer)).find(queue, inbound.type)
        await policy.handle(inbound, message, now)

    async def outbox(self, case_id: str) -> list[dict[str, Any]]:
        """Return the events of a case in their order; no relay runs in these tests."""
        document = await self.store.powers_of_attorney.collection.find_one({"_id": case_id})
        return document["outbox"] if document else []


def drafting(agent: Person, **changed: Any) -> pb.DraftPowerOfAttorneyRequest:
    fields = {
        "request_id": str(uuid4()),
        "kind": pb.POWER_OF_ATTORNEY_KIND_GENERAL,
        "agent_national_id": agent.national_id,
        "agent_first_name": agent.first_name,
        "special_terms": [SPECIAL],
    }
    return pb.DraftPowerOfAttorneyRequest(**(fields | changed))


def deciding(
    case_id: str, decision: int = pb.REVIEW_DECISION_APPROVE, reason: str = "", request_id: str = ""
):
    return pb.DecideReviewRequest(
        request_id=request_id or str(uuid4()),
        power_of_attorney_id=case_id,
        decision=decision,
        reason=reason,
    )


async def failure(call: Awaitable[Any]) -> Any:
    """Await a call that must be refused; return its failure."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return failure_of(error)
    raise AssertionError("the call was not refused")


async def refusal(call: Awaitable[Any]) -> tuple[str, str]:
    """Await a call that must be refused; return its code and reason."""
    error = await failure(call)
    return error.code, error.reason


def make_keys(folder: Path) -> Path:
    (folder / "public" / "seal").mkdir(parents=True)
    (folder / "hash.key").write_text(secrets.token_hex(32))
    (folder / "seal.jwk").write_text(json.dumps(generate_key().as_dict(private=True)))
    return folder


async def start(store_uri: str, store_name: str, folder: Path, printer: Any, stack: Any) -> World:
    """Start the fake identity and notary; `stack` (an AsyncExitStack) stops them."""
    key = generate_key()
    identity = Identity(key)
    identity_server = grpc.aio.server()
    identity_pb2_grpc.add_IdentityServiceServicer_to_server(identity, identity_server)
    port = identity_server.add_insecure_port("127.0.0.1:0")
    await identity_server.start()
    stack.push_async_callback(identity_server.stop, None)

    keys = KeyRing("notary", make_keys(folder))
    database = await Database.open(
        store_uri, store_name, encode_event=EventEncoder("notary", keys), refusals=ERRORS
    )
    stack.push_async_callback(database.close)
    anonymous = connect(f"127.0.0.1:{port}")
    stack.push_async_callback(anonymous.close)
    tokens = ServiceTokens("notary", generate_key(), identity_exchange(anonymous))
    channel = connect(f"127.0.0.1:{port}", tokens)
    stack.push_async_callback(channel.close)
    token_keys = TokenKeys.own("notary", key)
    store = await Store.open(database)
    metrics = Metrics(Telemetry("notary", "0"))
    ctx = Context(store, Accounts(channel), token_keys, catalogue.load(), metrics, DRAFTS_PER_HOUR)

    settings = Settings(
        broker_uri="amqp://unused",
        store_uri=store_uri,
        store_database=store_name,
        keys_dir=folder,
        identity_target=f"127.0.0.1:{port}",
    )
    readiness = Readiness()
    await readiness.check()
    server = Server(
        "notary",
        settings,
        services=[(pb.DESCRIPTOR.services_by_name["PowerOfAttorneyService"], PowerOfAttorneyApi(ctx))],
        errors=ERRORS,
        keys=token_keys,
        hashed=keys.keyed_hash,
        readiness=readiness,
    )
    await server.start()
    stack.push_async_callback(server.stop)
    caller = grpc.aio.insecure_channel(f"127.0.0.1:{server.port}")
    stack.push_async_callback(caller.close)
    stub = notary_pb2_grpc.PowerOfAttorneyServiceStub(caller)
    return World(ctx, stub, key, identity, database, printer)

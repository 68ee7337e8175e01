"""Helpers that act on a running payments: publish tariffs and events, pay, and read payments and the journal."""

import uuid
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from chassis.caller import Caller, Kind
from chassis.rpc.client import failure_of
from chassis.times import cairo_day
from diwan.notary.v1 import events_pb2 as notary
from diwan.payments.v1 import acquirer_pb2 as acquirer
from diwan.payments.v1 import payments_pb2 as pb
from diwan.payments.v1 import payments_pb2_grpc
from google.type.date_pb2 import Date
from google.type.money_pb2 import Money
from grpc import RpcError
from testkit.service import OPERATOR, Trial, eventually

CHARGES = "acquirer.payments.charge"
FEE, PAID, DISCOUNT, SHARE = 12_000, 10_800, 1_200, 800
AUDITOR = Caller(kind=Kind.OFFICER, id="o-auditor", roles=frozenset({"auditor"}))


def uid() -> str:
    return str(uuid.uuid4())


def egp(piastres: int) -> Money:
    return Money(currency_code="EGP", units=piastres // 100, nanos=piastres % 100 * 10_000_000)


def today() -> date:
    """Return the date in Cairo; it may change during the tests."""
    return cairo_day(datetime.now(UTC))


def day(value: date) -> Date:
    return Date(year=value.year, month=value.month, day=value.day)


def citizen(account: str) -> Caller:
    return Caller(kind=Kind.CITIZEN, id=account, channel="portal")


def fee(service: str, **changes: Any) -> pb.Fee:
    """Return a fee from today on; a timedelta sets a date relative to today."""
    result = pb.Fee(
        service=service,
        channel="*",
        governorate="*",
        valid_from=day(today()),
        amount=egp(FEE),
        electronic_discount=egp(DISCOUNT),
        platform_share=egp(SHARE),
        agency="notary",
    )
    for name, value in changes.items():
        if isinstance(value, timedelta):
            getattr(result, name).CopyFrom(day(today() + value))
        elif isinstance(value, str):
            setattr(result, name, value)
        else:
            getattr(result, name).CopyFrom(value)
    return result


async def refusal(call: Any) -> tuple[str, str]:
    """Await a call that must be refused; return its code and reason."""
    with pytest.raises(RpcError) as raised:
        await call
    failure = failure_of(raised.value)
    return failure.code, failure.reason


@dataclass
class Case:
    """The data of a power of attorney in its events."""

    service: str
    account: str = field(default_factory=uid)
    id: str = field(default_factory=uid)
    number: str = "DW-2026-0000042"
    time: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass
class Desk:
    """A running payments, its API, and its publishers."""

    trial: Trial

    @property
    def api(self) -> Any:
        return payments_pb2_grpc.PaymentServiceStub(self.trial.channel)

    async def publish_tariff(
        self, *fees: pb.Fee, request_id: str = "", caller: Caller | None = OPERATOR
    ) -> pb.Tariff:
        request = pb.PublishTariffRequest(request_id=request_id or uid(), fees=fees)
        return await self.api.PublishTariff(request, metadata=self.trial.bearer(caller))

    async def create_service(self) -> str:
        """Return the name of a new service with a published fee."""
        name = f"trial.{uuid.uuid4().hex}"
        await self.publish_tariff(fee(name))
        return name

    async def submit(self, case: Case, event_id: str = "") -> None:
        event = notary.PowerOfAttorneySubmitted(
            power_of_attorney_id=case.id,
            number=case.number,
            principal_account_id=case.account,
            service=case.service,
            channel="portal",
            governorate="21",
        )
        event.submit_time.FromDatetime(case.time)
        await self.trial.publish("notary", event, subject=case.id, number=case.number, event_id=event_id)

    async def create_due(self, case: Case | None = None) -> Case:
        """Submit a case and wait until its fee is due."""
        case = case or Case(await self.create_service())
        await self.submit(case)
        await self.await_state(case, "DUE")
        return case

    async def get(self, case: Case) -> pb.Payment:
        request = pb.GetPaymentRequest(subject_id=case.id)
        payment: pb.Payment = await self.api.GetPayment(request, metadata=self.trial.bearer(AUDITOR))
        return payment

    async def await_state(self, case: Case, state: str) -> pb.Payment:
        async def poll() -> pb.Payment | None:
            try:
                payment = await self.get(case)
            except RpcError:
                return None
            return payment if pb.PaymentState.Name(payment.state) == f"PAYMENT_STATE_{state}" else None

        return await eventually(poll)

    async def await_refusal(self, case: Case) -> pb.Payment:
        """Wait until the last charge is refused; return the payment."""

        async def poll() -> pb.Payment | None:
            payment = await self.get(case)
            return payment if payment.refusal_reason else None

        return await eventually(poll)

    async def pay(
        self, case: Case, request_id: str = "", account: str = "", token: str = "tok_x"
    ) -> pb.Payment:
        request = pb.CreatePaymentRequest(
            request_id=request_id or uid(),
            subject_id=case.id,
            means=pb.PAYMENT_MEANS_CARD,
            card_token=token,
        )
        return await self.api.CreatePayment(
            request, metadata=self.trial.bearer(citizen(account or case.account))
        )

    async def request_charge(self, case: Case) -> acquirer.RequestCharge:
        """Pay a case, and take the charge command from the connector's queue."""
        payment = await self.pay(case)
        return await self.trial.taken(
            CHARGES, acquirer.RequestCharge, lambda one: one.payment_id == payment.payment_id
        )

    async def publish_settled(
        self, charge: acquirer.RequestCharge, amount: Money | None = None, event_id: str = ""
    ) -> str:
        event = acquirer.ChargeSettled(
            charge_id=charge.charge_id,
            payment_id=charge.payment_id,
            acquirer_reference="ref-1",
            amount=amount or charge.amount,
        )
        return await self.trial.publish("acquirer", event, subject=charge.charge_id, event_id=event_id)

    async def publish_refused(self, charge: acquirer.RequestCharge) -> str:
        event = acquirer.ChargeRefused(
            charge_id=charge.charge_id, payment_id=charge.payment_id, reason="DECLINED"
        )
        return await self.trial.publish("acquirer", event)

    async def collect(self, case: Case, event_id: str = "") -> None:
        event = notary.PowerOfAttorneyCollected(
            power_of_attorney_id=case.id, number=case.number, principal_account_id=case.account
        )
        await self.trial.publish("notary", event, subject=case.id, number=case.number, event_id=event_id)

    async def entries(self, **filters: Any) -> list[pb.LedgerEntry]:
        request = pb.ListLedgerEntriesRequest(page_size=500, **filters)
        answer = await self.api.ListLedgerEntries(request, metadata=self.trial.bearer(AUDITOR))
        return list(answer.entries)

    async def await_balances(self, case: Case, *kinds: str) -> dict[str, int]:
        """Wait until exactly these entries are booked; return the balances of their accounts in piastres."""
        payment = (await self.get(case)).payment_id

        async def poll() -> list[pb.LedgerEntry] | None:
            entries = await self.entries(payment_id=payment)
            return entries if sorted(entry.kind for entry in entries) == sorted(kinds) else None

        balances: dict[str, int] = {}
        for leg in (leg for entry in await eventually(poll) for leg in entry.legs):
            amount = leg.amount.units * 100 + leg.amount.nanos // 10_000_000
            balances[leg.account] = balances.get(leg.account, 0) + amount
        return balances

    async def await_parked(self, event_id: str) -> str:
        """Wait until an event is parked; return the reason."""

        async def poll() -> str:
            return next((one.reason for one in await self.trial.parked() if event_id in one.parked_id), "")

        return await eventually(poll)

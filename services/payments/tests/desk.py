"""What a test does to a running payments: publish tariffs, make fees due, pay, play the acquirer, read the books."""

import itertools
import uuid
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from chassis.caller import Caller, Kind
from chassis.rpc.client import failure_of
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
    """Asked for anew each time: the tests may run into another day."""
    return datetime.now(ZoneInfo("Africa/Cairo")).date()


def day(value: date) -> Date:
    return Date(year=value.year, month=value.month, day=value.day)


def citizen(account: str) -> Caller:
    return Caller(kind=Kind.CITIZEN, id=account, channel="portal")


def fee(service: str, **changes: Any) -> pb.Fee:
    """A fee from today on; a day may be given as so many from today."""
    made = pb.Fee(
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
            getattr(made, name).CopyFrom(day(today() + value))
        elif isinstance(value, str):
            setattr(made, name, value)
        else:
            getattr(made, name).CopyFrom(value)
    return made


async def refusal(call: Any) -> tuple[str, str]:
    """Code and reason of a call that is refused."""
    with pytest.raises(RpcError) as raised:
        await call
    failure = failure_of(raised.value)
    return failure.code, failure.reason


@dataclass
class Case:
    """A power of attorney, as far as payments sees it."""

    service: str
    account: str = field(default_factory=uid)
    id: str = field(default_factory=uid)
    number: str = "DW-2026-0000042"
    time: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass
class Desk:
    """A running payments and what stands around it."""

    trial: Trial
    numbers: Any = field(default_factory=itertools.count)

    @property
    def api(self) -> Any:
        return payments_pb2_grpc.PaymentServiceStub(self.trial.channel)

    async def tariff(
        self, *fees: pb.Fee, request_id: str = "", caller: Caller | None = OPERATOR
    ) -> pb.Tariff:
        request = pb.PublishTariffRequest(request_id=request_id or uid(), fees=fees)
        return await self.api.PublishTariff(request, metadata=self.trial.bearer(caller))

    async def service(self) -> str:
        """A new service with a published fee."""
        name = f"trial.{uuid.uuid4().hex}"
        await self.tariff(fee(name))
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

    async def due(self, case: Case | None = None) -> Case:
        """A case whose fee is due."""
        case = case or Case(await self.service())
        await self.submit(case)
        await self.came_to(case, "DUE")
        return case

    async def get(self, case: Case) -> pb.Payment:
        request = pb.GetPaymentRequest(subject_id=case.id)
        shown: pb.Payment = await self.api.GetPayment(request, metadata=self.trial.bearer(AUDITOR))
        return shown

    async def came_to(self, case: Case, state: str) -> pb.Payment:
        async def look() -> pb.Payment | None:
            try:
                shown = await self.get(case)
            except RpcError:
                return None
            return shown if pb.PaymentState.Name(shown.state) == f"PAYMENT_STATE_{state}" else None

        return await eventually(look)

    async def due_again(self, case: Case) -> pb.Payment:
        """The payment, once a refusal of its last charge shows."""

        async def look() -> pb.Payment | None:
            shown = await self.get(case)
            return shown if shown.refusal_reason else None

        return await eventually(look)

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

    async def charge(self, case: Case) -> acquirer.RequestCharge:
        """Try to pay, and take the order that the connector gets."""
        payment = await self.pay(case)
        return await self.trial.taken(
            CHARGES, acquirer.RequestCharge, lambda one: one.payment_id == payment.payment_id
        )

    async def settled(
        self, charge: acquirer.RequestCharge, amount: Money | None = None, event_id: str = ""
    ) -> str:
        event = acquirer.ChargeSettled(
            charge_id=charge.charge_id,
            payment_id=charge.payment_id,
            acquirer_reference="ref-1",
            amount=amount or charge.amount,
        )
        return await self.trial.publish("acquirer", event, event_id=event_id)

    async def refused(self, charge: acquirer.RequestCharge) -> str:
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

    async def books(self, case: Case, *kinds: str) -> dict[str, int]:
        """The balances of a payment's accounts in piastres, once exactly these entries are booked."""
        payment = (await self.get(case)).payment_id

        async def look() -> list[pb.LedgerEntry] | None:
            found = await self.entries(payment_id=payment)
            return found if sorted(entry.kind for entry in found) == sorted(kinds) else None

        balances: dict[str, int] = {}
        for leg in (leg for entry in await eventually(look) for leg in entry.legs):
            amount = leg.amount.units * 100 + leg.amount.nanos // 10_000_000
            balances[leg.account] = balances.get(leg.account, 0) + amount
        return balances

    async def parked(self, event_id: str) -> str:
        """The reason for which an event is parked, once it is."""

        async def look() -> str:
            return next((one.reason for one in await self.trial.parked() if event_id in one.parked_id), "")

        return await eventually(look)

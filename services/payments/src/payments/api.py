"""Translation between protobuf messages and the model."""

from datetime import date
from functools import partial

from chassis.mapping import members, to_message
from chassis.money import money, piastres
from chassis.rpc.current import call
from chassis.times import cairo_day, timestamp
from diwan.payments.v1 import payments_pb2 as pb
from diwan.payments.v1 import payments_pb2_grpc as pb_grpc
from google.type.date_pb2 import Date

from payments import commands, queries
from payments.context import Context
from payments.model.errors import DateInvalid
from payments.model.payment import Payment
from payments.model.tariff import Fee, Means, Schedule

_MEANS = members(Means, pb.PaymentMeans)


class PaymentApi(pb_grpc.PaymentServiceServicer):
    """gRPC servicer of PaymentService."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx

    async def PublishTariff(self, request: pb.PublishTariffRequest, context: object) -> pb.Tariff:
        fees = [_fee(fee, f"fees[{number}]") for number, fee in enumerate(request.fees)]
        current = call()
        published = pb.Tariff(fees=request.fees, publish_time=timestamp(current.now))
        cause = current.request(request, answer=partial(_tariff, published))
        published.tariff_id = cause.new_id("tariff")
        return await commands.publish_tariff(self._ctx, cause, fees)

    async def GetQuote(self, request: pb.GetQuoteRequest, context: object) -> pb.Quote:
        quoted = await queries.quote(
            self._ctx,
            service=request.service,
            channel=request.channel,
            governorate=request.governorate,
            means=_MEANS[request.means],
            day=_date(request.date, "date") if request.HasField("date") else cairo_day(call().now),
        )
        return pb.Quote(
            service=request.service,
            fee=money(quoted.fee.amount),
            discount=money(quoted.discount),
            amount=money(quoted.fee.amount - quoted.discount),
            tariff_id=quoted.fee.tariff_id,
        )

    async def CreatePayment(self, request: pb.CreatePaymentRequest, context: object) -> pb.Payment:
        return await commands.pay(
            self._ctx,
            call().request(request, answer=_payment),
            subject_id=request.subject_id,
            means=_MEANS[request.means],
            card_token=request.card_token,
        )

    async def GetPayment(self, request: pb.GetPaymentRequest, context: object) -> pb.Payment:
        return _payment(
            await queries.get(
                self._ctx,
                call().caller,
                payment_id=request.payment_id,
                subject_id=request.subject_id,
            )
        )

    async def ListLedgerEntries(
        self, request: pb.ListLedgerEntriesRequest, context: object
    ) -> pb.ListLedgerEntriesResponse:
        page = await queries.entries(
            self._ctx,
            payment_id=request.payment_id,
            request_number=request.request_number,
            account=request.account,
            page_size=request.page_size,
            page_token=request.page_token,
        )
        return pb.ListLedgerEntriesResponse(
            entries=[to_message(entry, pb.LedgerEntry) for entry in page.items],
            next_page_token=page.next_page_token,
        )


def _fee(fee: pb.Fee, place: str) -> Fee:
    return Fee(
        service=fee.service,
        channel=fee.channel,
        governorate=fee.governorate,
        agency=fee.agency,
        valid_from=_date(fee.valid_from, f"{place}.valid_from"),
        valid_until=_date(fee.valid_until, f"{place}.valid_until") if fee.HasField("valid_until") else None,
        amount=piastres(fee.amount, f"{place}.amount"),
        electronic_discount=_part(fee, "electronic_discount", place),
        platform_share=_part(fee, "platform_share", place),
    )


def _part(fee: pb.Fee, name: str, place: str) -> int:
    return piastres(getattr(fee, name), f"{place}.{name}") if fee.HasField(name) else 0  # type: ignore[arg-type]  # a field's name


def _tariff(published: pb.Tariff, _: Schedule) -> pb.Tariff:
    return published


def _payment(payment: Payment) -> pb.Payment:
    charge = payment.charge
    return to_message(
        payment,
        pb.Payment,
        means=charge and charge.means,
        discount=charge and payment.fee - charge.amount,
        amount=charge and charge.amount,
    )


def _date(value: Date, field: str) -> date:
    try:
        return date(value.year, value.month, value.day)
    except ValueError:
        raise DateInvalid(field=field) from None

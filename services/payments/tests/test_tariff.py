from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from payments.model.errors import (
    FeeInvalid,
    FeeNotPublished,
    PaymentsError,
    TariffFull,
    TariffInPast,
    TariffOverlap,
)
from payments.model.tariff import MAX_FEES, Fee, Means, Schedule

TODAY = date(2026, 3, 1)
DAY = timedelta(days=1)
SERVICE = "notary.power_of_attorney.general"


def fee(
    channel: str = "*",
    governorate: str = "*",
    *,
    start: date = TODAY,
    end: date | None = None,
    amount: int = 12_000,
    discount: int = 1_200,
    share: int = 800,
    service: str = SERVICE,
) -> Fee:
    return Fee(service, channel, governorate, "notary", start, end, amount, discount, share)


def published(*fees: Fee, today: date = TODAY) -> Schedule:
    return Schedule().publish(fees, "t-1", today)


FEES_OF_EVERY_SCOPE = published(
    fee(amount=100, discount=0, share=0),
    fee("portal", amount=200, discount=0, share=0),
    fee("*", "21", amount=300, discount=0, share=0),
    fee("portal", "21", amount=400, discount=0, share=0),
)


@pytest.mark.parametrize(
    ("channel", "governorate", "amount"),
    [
        ("post_office", "01", 100),
        ("portal", "01", 200),
        ("post_office", "21", 300),
        ("portal", "21", 400),
    ],
)
def test_the_most_specific_fee_applies(channel: str, governorate: str, amount: int) -> None:
    """An exact channel or governorate precedes `*`."""
    assert (
        FEES_OF_EVERY_SCOPE.fee(SERVICE, channel=channel, governorate=governorate, day=TODAY).amount == amount
    )


def test_an_exact_governorate_precedes_an_exact_channel() -> None:
    """The governorate decides where one fee names the channel and another the governorate."""
    schedule = published(fee("portal", amount=12_001), fee("*", "21", amount=12_002))

    assert schedule.fee(SERVICE, channel="portal", governorate="21", day=TODAY).amount == 12_002


@pytest.mark.parametrize(
    ("after", "amount"),
    [(-1, None), (0, 100), (9, 100), (10, 200), (999, 200)],
)
def test_a_fee_applies_from_its_first_day_to_the_day_before_its_end(after: int, amount: int | None) -> None:
    """`valid_until` is the first day after it, so that one fee follows another without a gap."""
    schedule = published(
        fee(end=TODAY + 10 * DAY, amount=100, discount=0, share=0),
        fee(start=TODAY + 10 * DAY, amount=200, discount=0, share=0),
    )

    day = TODAY + after * DAY
    if amount is None:
        with pytest.raises(FeeNotPublished):
            schedule.fee(SERVICE, channel="portal", governorate="01", day=day)
    else:
        assert schedule.fee(SERVICE, channel="portal", governorate="01", day=day).amount == amount


def test_the_error_of_a_missing_fee_names_the_query() -> None:
    """The metadata hold service, channel, governorate and day, none of which is personal."""
    with pytest.raises(FeeNotPublished) as raised:
        Schedule().fee(SERVICE, channel="portal", governorate="01", day=TODAY)

    assert raised.value.metadata == {
        "service": SERVICE,
        "channel": "portal",
        "governorate": "01",
        "day": "2026-03-01",
    }


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (fee(amount=0, discount=0, share=0), "fees[0].amount"),
        (fee(amount=100_000_001), "fees[0].amount"),
        (fee(amount=10**14), "fees[0].amount"),
        *(
            (fee("*", code), "fees[0].governorate")
            for code in ("00", "05", "10", "20", "30", "36", "88", "99")
        ),
        (fee(start=TODAY.replace(year=2037)), "fees[0].valid_from"),
        (fee(end=date(9999, 1, 1)), "fees[0].valid_until"),
        (fee(discount=12_000), "fees[0].electronic_discount"),
        (fee(discount=-1), "fees[0].electronic_discount"),
        (fee(share=12_001), "fees[0].platform_share"),
        (fee(share=-1), "fees[0].platform_share"),
        (fee(end=TODAY), "fees[0].valid_until"),
    ],
)
def test_an_inconsistent_fee_is_refused_with_its_field(wrong: Fee, field: str) -> None:
    """The path names the fee in the tariff and the field."""
    with pytest.raises(FeeInvalid) as raised:
        published(wrong)

    assert raised.value.field == field


@pytest.mark.parametrize(
    ("second", "error"),
    [
        (fee(amount=13_000), TariffOverlap),
        (fee(start=TODAY + 5 * DAY, amount=13_000), TariffOverlap),
        (fee(end=TODAY + DAY, amount=13_000), TariffOverlap),
        (fee(start=TODAY - DAY), TariffInPast),
        (fee(start=TODAY - DAY, end=TODAY, amount=13_000), TariffInPast),
        (fee("portal", start=TODAY - DAY), TariffInPast),
    ],
)
def test_a_fee_in_force_cannot_be_changed(second: Fee, error: type[PaymentsError]) -> None:
    """An overlapping fee and a fee in the past are refused."""
    schedule = published(fee())

    with pytest.raises(error):
        schedule.publish([second], "t-2", TODAY)


def test_two_fees_of_one_tariff_may_not_overlap() -> None:
    """The check includes the other fees of the same tariff."""
    with pytest.raises(TariffOverlap) as raised:
        published(fee(), fee(amount=13_000))

    assert raised.value.field == "fees[1]"


def test_a_tariff_published_again_changes_nothing() -> None:
    """The same file may be published again later."""
    schedule = published(fee(), fee("portal"))

    again = schedule.publish([fee(), fee("portal"), fee(start=TODAY + 30 * DAY)], "t-2", TODAY + 30 * DAY)

    assert again == schedule


def test_one_tariff_ends_a_fee_and_starts_its_successor() -> None:
    """It has the same fee with an end, and the next fee from that day, in any order."""
    end = TODAY + 10 * DAY
    successor, ended = fee(start=end, amount=13_000), fee(end=end)

    schedule = published(fee()).publish([successor, ended], "t-2", TODAY + DAY)

    assert [(f.amount, f.valid_until, f.tariff_id) for f in schedule.fees] == [
        (12_000, end, "t-1"),
        (13_000, None, "t-2"),
    ]


def test_a_fee_in_force_does_not_end_today() -> None:
    """A quote stays valid on its day."""
    with pytest.raises(TariffInPast) as raised:
        published(fee()).publish([fee(end=TODAY + DAY)], "t-2", TODAY + DAY)

    assert raised.value.field == "fees[0].valid_until"


def test_the_schedule_is_bounded() -> None:
    """A tariff beyond the limit is refused as a whole."""
    full = Schedule(tuple(fee(service=f"service.{n}") for n in range(MAX_FEES)))

    with pytest.raises(TariffFull):
        full.publish([fee()], "t-2", TODAY)


@pytest.mark.parametrize(("means", "discount"), [(Means.CARD, 1_200), (Means.CASH, 0)])
def test_the_discount_is_for_electronic_means(means: Means, discount: int) -> None:
    """With cash the whole fee is due."""
    assert fee().discount(means) == discount


FEES = st.builds(
    fee,
    channel=st.sampled_from(["*", "portal"]),
    governorate=st.sampled_from(["*", "21"]),
    start=st.integers(0, 20).map(lambda n: TODAY + n * DAY),
    end=st.none() | st.integers(1, 40).map(lambda n: TODAY + n * DAY),
    amount=st.integers(2_000, 2_003),
)


@given(st.lists(st.tuples(FEES, st.integers(0, 15)), max_size=12))
def test_no_day_has_two_fees_and_no_past_fee_changes(
    tariffs: list[tuple[Fee, int]],
) -> None:
    """For any sequence of tariffs there is at most one fee for a way and day, and fees of past days stay the same."""
    schedule, today = Schedule(), TODAY
    for number, (new, wait) in enumerate(tariffs):
        before = schedule
        today += wait * DAY
        try:
            schedule = schedule.publish([new], f"t-{number}", today)
        except PaymentsError:
            continue

        for day in (TODAY + n * DAY for n in range((today - TODAY).days)):
            assert [f.amount for f in schedule.fees if f.in_force(day)] == [
                f.amount for f in before.fees if f.in_force(day)
            ]
    for day in (TODAY + n * DAY for n in range(60)):
        scopes = [f.scope for f in schedule.fees if f.in_force(day)]
        assert len(scopes) == len(set(scopes))


def test_the_27_governorates_of_the_national_id_have_fees() -> None:
    """Each may have a fee of its own, up to the greatest amount and day."""
    codes = [f"{code:02}" for code in (*range(1, 5), *range(11, 20), *range(21, 30), *range(31, 36))]
    greatest = {"amount": 100_000_000, "end": date(TODAY.year + 10, 12, 31)}

    schedule = Schedule().publish([fee("*", code, **greatest) for code in codes], "t", TODAY)

    assert len(schedule.fees) == len(codes) == 27

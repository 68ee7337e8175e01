"""The headers of an event, which both broker clients write."""

from datetime import UTC, datetime, timedelta, timezone

from chassis.messaging import headers, inbound

TIME = datetime(2024, 3, 1, 11, 0, tzinfo=timezone(timedelta(hours=2)))
NEEDED = {
    "event_id": "2f1c7c1e-7b7f-4c7e-9a53-0f6f1d1f8a10",
    "publisher": "payments",
    "kind": "diwan.payments.v1.PaymentSettled",
    "time": TIME,
    "subject": "case-1",
}


def test_absent_optional_attributes_are_not_written():
    """The attributes that CloudEvents and the platform require are always written; times are UTC."""
    assert headers.write(**NEEDED) == {
        "cloudEvents_id": "2f1c7c1e-7b7f-4c7e-9a53-0f6f1d1f8a10",
        "cloudEvents_source": "diwan/payments",
        "cloudEvents_type": "diwan.payments.v1.PaymentSettled",
        "cloudEvents_specversion": "1.0",
        "cloudEvents_time": "2024-03-01T09:00:00Z",
        "cloudEvents_subject": "case-1",
    }


def test_written_headers_are_read_unchanged():
    """All attributes are tried."""
    written = headers.write(
        **NEEDED,
        sequence=7,
        causation="cause-1",
        correlation="PA-1",
        expires=TIME + timedelta(minutes=5),
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    )

    read = inbound.read("notary.payments.payment", "payments.events", "payments", written, b"{}")

    assert (read.id, read.source, read.type) == (NEEDED["event_id"], "diwan/payments", NEEDED["kind"])
    assert (read.happened, read.subject, read.sequence) == (TIME.astimezone(UTC), "case-1", 7)
    assert (read.causation, read.correlation) == ("cause-1", "PA-1")
    assert (read.expired(TIME + timedelta(minutes=4)), read.expired(TIME + timedelta(minutes=5))) == (
        False,
        True,
    )
    assert read.traceparent == "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    assert set(written) == {*headers.REQUIRED, *headers.OPTIONAL}

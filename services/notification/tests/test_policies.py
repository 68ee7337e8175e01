"""The names of the policies of notification, which are in its store."""

from notification import policies


def test_policies_keep_their_names():
    """The name is part of an inbox key and of a cause: under another name processed events would be processed again."""
    table = policies.table(ctx=None)

    assert {policy.name: policy.queue for policy in table} == {
        "keep_contact": "notification.identity.account",
        "send": "notification.identity.message",
        "tell.PaymentDue": "notification.payments.payment",
        "tell.PaymentSettled": "notification.payments.payment",
        "tell.PaymentRefused": "notification.payments.payment",
        "tell.PowerOfAttorneyIssued": "notification.notary.power_of_attorney",
        "tell.PowerOfAttorneyCollected": "notification.notary.power_of_attorney",
        "tell.PowerOfAttorneyReturned": "notification.notary.power_of_attorney",
        "submitted": "notification.sms.message",
        "refused": "notification.sms.message",
        "unknown": "notification.sms.message",
        "expired": "notification.sms.message",
        "receipted": "notification.sms.message",
        "keep_unreadable": "notification.sms.message",
    }

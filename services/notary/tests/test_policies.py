"""The names of notary's policies, which its store holds."""

from notary import policies


def test_policies_keep_their_names():
    """A name is part of the key by which an event is handled once: one that changes makes handled events new."""
    table = policies.table(ctx=None, printer=None)

    assert {policy.name: policy.queue for policy in table} == {
        "open_review.PaymentSettled": "notary.payments.payment",
        "issue_document.PowerOfAttorneyApproved": "notary.notary.power_of_attorney",
    }

"""The names of the policies of notary, which are in its store."""

from types import SimpleNamespace

from notary import policies


def test_policies_keep_their_names():
    """The name is part of an inbox key and of a cause: under another name processed events would be processed again."""
    table = policies.table(ctx=None, printer=SimpleNamespace(concurrency=1))

    assert {policy.name: policy.queue for policy in table} == {
        "open_review.PaymentSettled": "notary.payments.payment",
        "issue_document.PowerOfAttorneyApproved": "notary.notary.power_of_attorney",
    }

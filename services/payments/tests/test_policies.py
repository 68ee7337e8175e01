"""The names of the policies of payments, which are in its store."""

from payments import policies


def test_policies_keep_their_names():
    """The name is part of an inbox key and of a cause: under another name processed events would be processed again."""
    table = policies.table(ctx=None)

    assert {policy.name: policy.queue for policy in table} == {
        "make_due": "payments.notary.power_of_attorney",
        "book_earned": "payments.notary.power_of_attorney",
        "accept": "payments.acquirer.charge",
        "settle": "payments.acquirer.charge",
        "refuse": "payments.acquirer.charge",
        "keep_report": "payments.acquirer.charge",
        "book_due": "payments.payments.payment",
        "book_settled": "payments.payments.payment",
        "book_overpaid": "payments.payments.payment",
    }

"""The names of payments's policies, which its store holds."""

from payments import policies


def test_policies_keep_their_names():
    """A name is part of the key by which an event is handled once: one that changes makes handled events new."""
    table = policies.table(ctx=None)

    assert {policy.name: policy.queue for policy in table} == {
        "make_due": "payments.notary.power_of_attorney",
        "book_earned": "payments.notary.power_of_attorney",
        "accept": "payments.acquirer.charge",
        "settle": "payments.acquirer.charge",
        "refuse": "payments.acquirer.charge",
        "book_due": "payments.payments.payment",
        "book_settled": "payments.payments.payment",
        "book_overpaid": "payments.payments.payment",
    }

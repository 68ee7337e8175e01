"""The names of the policies of identity, which are in its store."""

from identity import policies


def test_policies_keep_their_names():
    """The name is part of an inbox key and of a cause: under another name processed events would be processed again."""
    table = policies.table(ctx=None)

    assert {policy.name: policy.queue for policy in table} == {
        "keep_person.PersonRegistered": "identity.registry.person",
    }

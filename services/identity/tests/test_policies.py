"""The names of identity's policies, which its store holds."""

from identity import policies


def test_policies_keep_their_names():
    """A name is part of the key by which an event is handled once: one that changes makes handled events new."""
    table = policies.table(ctx=None)

    assert {policy.name: policy.queue for policy in table} == {
        "keep_person.PersonRegistered": "identity.registry.person",
    }

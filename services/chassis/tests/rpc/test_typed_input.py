"""Typed fields of a request, in all places of the message, in the form that the handler receives."""

import uuid

from chassis.rpc.validation import parse

ID = "7f2c9a4e-1b3d-4c5f-8a6e-0d1c2b3a4f5e"


def test_fields_are_rewritten_in_all_places_of_a_message(trial):
    """In repeated fields, in nested messages, and in messages that are values of a map; keys of a map are not typed."""
    reference = {"case_id": ID.upper()}
    sent = trial.Request(
        request_id=str(uuid.uuid4()),
        mobiles=["010 0123 4567", "+201101234567"],
        one=reference,
        several=[reference, reference],
        named={ID.upper(): reference},
        marks={"A": "B C"},
        notes=["O l"],
    )

    read = parse(trial.Request, sent.SerializeToString())

    assert list(read.mobiles) == ["+201001234567", "+201101234567"]
    assert [each.case_id for each in (read.one, *read.several, *read.named.values())] == [ID] * 4
    assert (list(read.named), dict(read.marks), list(read.notes)) == ([ID.upper()], {"A": "B C"}, ["O l"])

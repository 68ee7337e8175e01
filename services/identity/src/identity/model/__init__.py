"""The rules of identity: pure, standard library only; time, ids and chance are passed in.

Decisions are functions that make a new state, or methods of a state that return an `Outcome`. What is not
allowed is raised as an `IdentityError`; a refusal kept on record (a wrong code) is returned in the outcome.
"""

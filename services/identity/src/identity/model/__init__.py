"""The rules of identity. Pure: time, ids and random values are arguments.

A decision is a function or a method of a state that returns an `Outcome`. A refusal is raised as an `IdentityError`;
one that changes the state (a wrong code) is returned in the outcome.
"""

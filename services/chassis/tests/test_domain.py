"""The base class of all refusals, and the closed set that a service declares."""

import ast
import pickle
import sys
from pathlib import Path
from types import ModuleType

import pytest
from chassis import domain
from chassis.domain import DomainError
from chassis.errors import CODES, ChassisError, check_errors, code_of, error_set, reason_of, to_status


class Base(DomainError):
    """The base class of these refusals."""


class Missing(Base):
    """There is no such thing.

    A second paragraph is for programmers.
    """

    reason = "MISSING"
    code = "NOT_FOUND"


class Narrow(Base):
    """A value is too narrow."""

    reason = "NARROW"
    code = "INVALID_ARGUMENT"
    field = "width"


HERE = sys.modules[__name__]


def test_the_base_of_models_imports_the_standard_library_alone():
    """Models import it, and have no other dependencies."""
    tree = ast.parse(Path(str(domain.__file__)).read_text())
    imported = {
        name.partition(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }

    assert imported <= set(sys.stdlib_module_names)


def test_the_docstring_is_the_default_text():
    """Its first line is used; an explicit text replaces it."""
    assert str(Missing()) == "There is no such thing."
    assert str(Missing("Nothing here.")) == "Nothing here."


def test_a_field_is_declared_by_the_class_or_passed_when_raised():
    """The path passed when raised replaces that of the class."""
    assert (Missing().field, Narrow().field, Narrow(field="a.width").field) == ("", "width", "a.width")


def test_a_refusal_can_be_pickled():
    """A refusal of a worker process arrives with its field and metadata."""
    refusal = pickle.loads(pickle.dumps(Narrow("Too narrow.", field="b", least="3")))

    assert (str(refusal), refusal.field, refusal.metadata) == ("Too narrow.", "b", {"least": "3"})


def test_the_set_of_a_module_has_its_refusals_without_their_base():
    """The base has no reason and is never raised; imported classes belong to other modules."""
    assert error_set(HERE) == {Missing, Narrow}


def test_two_modules_have_one_set():
    """A service may also define refusals outside its model."""
    other = ModuleType("other")
    other.Other = type("Other", (Base,), {"__module__": "other", "reason": "OTHER", "code": "ABORTED"})

    assert error_set(HERE, other) == {Missing, Narrow, other.Other}


def test_a_class_without_a_reason_stays_in_the_set_and_is_refused():
    """Only a base of other classes needs no reason."""
    other = ModuleType("other")
    other.Nameless = type("Nameless", (Base,), {"__module__": "other"})

    with pytest.raises(TypeError, match=r"Nameless\.reason"):
        check_errors(error_set(other))


@pytest.mark.parametrize(
    ("members", "complaint"),
    [
        ({"code": "NOT_FOUND"}, r"Wrong\.reason"),
        ({"code": "NOT_FOUND", "reason": "lower"}, r"Wrong\.reason"),
        ({"reason": "WRONG"}, r"Wrong\.code"),
        ({"reason": "WRONG", "code": "NOWHERE"}, r"Wrong\.code"),
        ({"reason": "WRONG", "code": "INTERNAL"}, r"Wrong\.code"),
        ({"reason": "MISSING", "code": "NOT_FOUND"}, "same reason MISSING"),
    ],
    ids=["no reason", "no upper case", "no code", "unknown code", "code of a fault", "reason twice"],
)
def test_a_wrong_class_is_refused_at_start(members, complaint):
    """A closed set is checked once, before the first call."""
    with pytest.raises(TypeError, match=complaint):
        check_errors([Missing, type("Wrong", (Base,), members)])


def test_only_declared_refusals_have_their_code_and_reason_in_an_answer():
    """They are those of the service's set and those of the chassis; other errors are INTERNAL."""
    shared = type("Shared", (ChassisError,), {"reason": "SHARED", "code": "ABORTED"})()
    cases = [Missing(), Narrow(), shared, ChassisError(), KeyError("x")]

    answers = [
        (code_of(error, frozenset({Missing})), reason_of(error, frozenset({Missing}))) for error in cases
    ]

    assert (
        answers
        == [("NOT_FOUND", "MISSING"), ("INTERNAL", "INTERNAL"), ("ABORTED", "SHARED")]
        + [("INTERNAL", "INTERNAL")] * 2
    )


def test_the_field_of_a_class_is_in_the_answer():
    """`BadRequest` has the path of the field, with the reason as the rule."""
    status = to_status(Narrow(), "trial", frozenset({Narrow}))

    assert status.code == CODES["INVALID_ARGUMENT"]
    assert len(status.details) == 2

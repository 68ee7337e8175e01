"""Days come from `chassis.times.cairo_day` alone: a day taken from a time in another way is often that of UTC."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCE = "services/chassis/src/chassis/times.py"
ALLOWED = {
    SOURCE: "the one place",
    "deploy/local/src/sandbox/dialects.py": "an operator's format of times",
    "services/payments/tests/connectors/test_acquirer.py": "names the acquirer's file of a day, which is that of UTC",
}
FORMATS = ("%Y", "%y", "%m", "%d", "%j", "%a", "%A", "%F", "%D", "%x", "%c")
SUSPECT = re.compile(r"\.date\(|today|utcnow|ZoneInfo|strftime|fromtimestamp|\bnow\(|astimezone|utc_now")
"""Words of which every forbidden expression has one; the other files need not be parsed."""
PARTS = {"year", "month", "day", "weekday", "isoweekday", "toordinal", "isocalendar", "timetuple"}


def programs() -> list[Path]:
    folders = ("services", "deploy", "tests", "scripts")
    paths = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    return [
        path for path in [*paths, ROOT / "conftest.py"] if path.relative_to(ROOT).as_posix() not in ALLOWED
    ]


def days_of_times(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield line and expression of each day that is taken from a time, or of a zone that is made."""
    for node in ast.walk(tree):
        if isinstance(node, ast.expr) and (
            _is_clock_of_days(node) or _is_day_of_time(node) or _is_printed_day(node)
        ):
            yield node.lineno, ast.unparse(node)


def _is_clock_of_days(node: ast.expr) -> bool:
    """A call of `today` or its like, or a zone."""
    match node:
        case ast.Call(func=ast.Attribute(attr="today" | "fromtimestamp", value=ast.Name(id="date"))):
            return True
        case ast.Call(func=ast.Attribute(attr="today" | "utcnow", value=ast.Name(id="datetime"))):
            return True
        case ast.Attribute(attr="today", value=ast.Attribute(attr="date" | "datetime")):
            return True
        case ast.Call(func=ast.Name(id="ZoneInfo") | ast.Attribute(attr="ZoneInfo")):
            return True
    return False


def _is_day_of_time(node: ast.expr) -> bool:
    """`time.date()`, which no other type has, or a part of the day of a time."""
    match node:
        case ast.Call(func=ast.Attribute(attr="date"), args=[], keywords=[]):
            return True
        case ast.Attribute(attr=name, value=value):
            return name in PARTS and _is_made_time(value)
    return False


def _is_printed_day(node: ast.expr) -> bool:
    match node:
        case ast.FormattedValue(value=value, format_spec=ast.JoinedStr() as spec):
            return _is_made_time(value) and any(part in ast.unparse(spec) for part in FORMATS)
        case ast.Call(func=ast.Attribute(attr="strftime"), args=[ast.Constant(value=str(form)), *_]):
            return any(part in form for part in FORMATS)
    return False


def _is_made_time(node: ast.expr) -> bool:
    """Whether an expression is a time just taken or moved to a zone, possibly with a period added."""
    match node:
        case ast.BinOp(left=left):
            return _is_made_time(left)
        case ast.Call(func=ast.Attribute(attr="now" | "astimezone" | "fromtimestamp")):
            return True
        case ast.Call(func=ast.Name(id="utc_now")):
            return True
        case _:
            return False


def test_no_program_takes_a_day_from_a_time() -> None:
    """Birth dates, tariffs, numbers, printed dates: all by the calendar of Cairo."""
    texts = {path: path.read_text(encoding="utf-8") for path in programs()}
    trees = {path: ast.parse(text) for path, text in texts.items() if SUSPECT.search(text)}

    found = [
        f"{path.relative_to(ROOT)}:{line} {text}"
        for path, tree in trees.items()
        for line, text in days_of_times(tree)
    ]

    assert not found, "use chassis.times.cairo_day"


@pytest.mark.parametrize(
    "text",
    [
        "date.today()",
        "datetime.date.today()",
        "datetime.today()",
        "datetime.utcnow()",
        "datetime.now(UTC).date()",
        "now.date()",
        "call().now.astimezone(CAIRO).date()",
        "request.now.astimezone(zone).year",
        "(datetime.now(UTC) + timedelta(hours=2)).year",
        "datetime.fromtimestamp(0, UTC).weekday()",
        "date.fromtimestamp(0)",
        "ZoneInfo('Africa/Cairo')",
        "zoneinfo.ZoneInfo('UTC')",
        "f'{datetime.now(UTC):%Y-%m-%d}'",
        "time.strftime('%d.%m.')",
    ],
)
def test_each_other_way_to_a_day_is_found(text: str) -> None:
    """The check finds what it forbids."""
    assert SUSPECT.search(text)
    assert list(days_of_times(ast.parse(text)))


@pytest.mark.parametrize(
    "text",
    [
        "cairo_day(now)",
        "cairo_day(now).year",
        "f'{datetime.now(UTC):%H:%M:%S}'",
        "time.astimezone(UTC)",
        "born.year",
    ],
)
def test_other_uses_of_times_are_permitted(text: str) -> None:
    """Times of day, and parts of a day."""
    assert not list(days_of_times(ast.parse(text)))


def test_every_exception_is_needed() -> None:
    """A file without such an expression is removed from the list."""
    for name in ALLOWED:
        assert list(days_of_times(ast.parse((ROOT / name).read_text(encoding="utf-8")))), name

"""Write a small working service: protos, package, tests, scenarios, and its entry in deploy/platform.yaml.

    python scripts/service/create.py parcels [--entity parcel]

The templates are in templates/, with the paths of the checkout. Afterwards all files that follow from the protos and
the table are rendered. An invalid or existing name is refused before anything is written.
"""

import argparse
import importlib.util
import keyword
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
TEMPLATES = Path(__file__).parent / "templates"
ENTRY = Path("deploy", "entry.yaml")
TABLE = ROOT / "deploy" / "platform.yaml"
RETENTION = ROOT / "docs" / "retention.md"
GOLDEN = "tests/charts/test_golden.py"

NAME = re.compile(r"[a-z]{3,16}")
ENTITY = re.compile(r"[a-z]+(_[a-z]+)*")
# Programs, charts, users and peers that are not in the table.
RESERVED = frozenset(
    {
        "broker",
        "callers",
        "chassis",
        "collector",
        "ctl",
        "diwan",
        "dns",
        "monitoring",
        "rabbitmq",
        "testkit",
        "trial",
    }
)
# Names that the templates use: an entity with such a name would hide them.
HIDDEN = frozenset(
    {
        *(
            "api",
            "caller",
            "cause",
            "commands",
            "context",
            "decision",
            "event",
            "events",
            "facts",
            "metrics",
            "model",
        ),
        *(
            "open",
            "opened",
            "outcome",
            "policy",
            "queries",
            "request",
            "scenario",
            "service",
            "settings",
            "state",
        ),
        *("store", "table", "title", "trial"),
    }
)


def plural(noun: str) -> str:
    """Return the regular plural of an English noun."""
    if re.search(r"[^aeiou]y$", noun):
        return f"{noun[:-1]}ies"
    return f"{noun}es" if re.search(r"(s|x|ch|sh)$", noun) else f"{noun}s"


def singular(name: str) -> str:
    """Return the noun whose regular plural is the name, or the name itself when it is no plural."""
    candidates = (f"{name[:-3]}y", name[:-2], name[:-1])
    return next((noun for noun in candidates if plural(noun) == name), name)


def words(name: str, entity: str) -> dict[str, str]:
    """Return the values of the placeholders."""
    camel = "".join(part.capitalize() for part in entity.split("_"))
    noun = entity.replace("_", " ")
    article = "an" if noun[0] in "aeiou" else "a"
    nouns = plural(entity).replace("_", " ")
    return {
        "name": name,
        "Title": name.capitalize(),
        "NAME": name.upper(),
        "entity": entity,
        "Entity": camel,
        "ENTITY": entity.upper(),
        "entities": plural(entity),
        "anchor": camel.lower(),
        "noun": noun,
        "nouns": nouns,
        "Nouns": nouns.capitalize(),
        "a_noun": f"{article} {noun}",
        "A_noun": f"{article.capitalize()} {noun}",
    }


def fill(text: str, given: Mapping[str, str]) -> str:
    """Replace the placeholders of a text, such as `@name@`; KeyError for an unknown one."""
    return re.sub(r"@(\w+)@", lambda place: given[place[1]], text)


def files(given: Mapping[str, str]) -> dict[Path, str]:
    """Return path in the checkout -> text, for all templates except the entry."""
    return {
        Path(fill(str(path.relative_to(TEMPLATES)), given).removesuffix(".in")): fill(path.read_text(), given)
        for path in sorted(TEMPLATES.rglob("*.in"))
        if path != TEMPLATES / f"{ENTRY}.in"
    }


def refusals(name: str, entity: str) -> Iterator[str]:
    """Yield the reasons why the service cannot be written, the most basic one first."""
    if not NAME.fullmatch(name):
        yield f"a service's name consists of 3 to 16 letters a to z, such as parcels; {name!r} does not"
        return
    table = yaml.safe_load(TABLE.read_text(encoding="utf-8"))
    if name in table["programs"]:
        yield f"{name} is a program of deploy/platform.yaml already"
    elif name in {*table["outside"], *RESERVED}:
        yield f"{name} is a name that the platform uses itself"
    elif keyword.iskeyword(name) or importlib.util.find_spec(name):
        yield f"{name} is a keyword or a module of Python, or a package that is installed"
    if not ENTITY.fullmatch(entity) or entity in HIDDEN or keyword.iskeyword(entity):
        yield f"{entity!r} cannot be the name of an entity; give another one, such as entity=parcel"
        return
    given = words(name, entity)
    for folder in dict.fromkeys((f"services/{name}", f"protos/diwan/{name}", *map(str, files(given)))):
        if (ROOT / folder).exists():
            yield f"{folder} exists already"
            return


def with_entry(table: str, given: Mapping[str, str]) -> str:
    """Return the table with the entry of the service at its end, and with the service in the calls of the operator."""
    entry = fill((TEMPLATES / f"{ENTRY}.in").read_text(), given)
    called = re.compile(r"^(    kind: operator\n(?:    .*\n)*?    calls: \[.*)\]$", re.MULTILINE)
    return called.sub(rf"\1, {given['name']}]", f"{table.rstrip()}\n") + entry


def with_collection(page: str, given: Mapping[str, str]) -> str:
    """Return the page of retentions with a row for the service's collection at the end of the table."""
    head, end, rest = page.rpartition(" |\n")
    return f"{head}{end}| {given['name']} | `{given['entities']}` | subject | {given['a_noun']} |\n{rest}"


def run(*command: str, **environment: str) -> None:
    """Run a program of the checkout, which also finds packages that are not installed yet."""
    sources = [
        ROOT / "protos" / "gen",
        ROOT / "deploy" / "local" / "src",
        *sorted(ROOT.glob("services/*/src")),
    ]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, sources)), **environment}
    completed = subprocess.run(  # noqa: S603  our own programs
        command, cwd=ROOT, env=environment, check=False, capture_output=True, text=True
    )
    if completed.returncode:
        sys.exit(
            f"{completed.stdout}{completed.stderr}\nfailed: {' '.join(command)}\n"
            "The files are written; correct the error, then run `make protos` and `make platform`."
        )


def render(written: list[Path]) -> None:
    """Format the written files, and render the files that follow from them."""
    code = [str(path) for path in written if path.suffix == ".py"]
    run(f"{BIN}/ruff", "check", "--fix-only", "--quiet", *code)  # the order of imports depends on the name
    run(f"{BIN}/ruff", "format", "--quiet", *code)
    run(sys.executable, "scripts/protos.py")
    run(sys.executable, "scripts/render_platform.py")
    run(sys.executable, "scripts/helm_values.py")
    if has_helm():
        run(sys.executable, "-m", "pytest", GOLDEN, GOLDEN="write")


def has_helm() -> bool:
    """Whether the charts can be rendered here, as in tests/charts."""
    return shutil.which("helm", path=f"{BIN}{os.pathsep}{os.environ['PATH']}") is not None


def report(given: Mapping[str, str], written: list[Path]) -> None:
    """Print the written files and the next steps."""
    name = given["name"]
    print(f"The service {name} is written:")
    for path in written:
        print(f"  {path}")
    print("  deploy/platform.yaml: its entry")
    print(
        "Rendered: generated protos and reference, charts, import contracts, tables of README and docs/events.md"
    )
    if has_helm():
        print("Rendered: tests/charts/golden; review its diff")
    else:
        print(
            f"Helm is missing, so tests/charts/golden is unchanged; later run GOLDEN=write .venv/bin/pytest {GOLDEN}"
        )
    print("\nNext (docs/new-service.md):")
    for what, why in (
        (f"protos/diwan/{name}/v1", "define your API and events, then `make protos`"),
        (f"services/{name}/src/{name}", "write your rules in model.py, then facts, commands, api, policies"),
        ("deploy/platform.yaml", "declare what the service reads and calls, then `make platform`"),
        (f"tests/guards/scenarios_{name}.py", "one scenario for each changing RPC"),
        ("make up", "start it with the platform"),
        ("make test", "run every check"),
    ):
        print(f"  {what:40}  {why}")


def main() -> None:
    """Write the service, or print the reasons for a refusal."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", help="name of the service and its package, such as parcels")
    parser.add_argument(
        "--entity",
        default="",
        help="entity of the service, such as parcel; by default the singular of the name",
    )
    options = parser.parse_args()
    entity = options.entity or singular(options.name)
    if refused := list(refusals(options.name, entity)):
        sys.exit("\n".join(f"make service: {reason}" for reason in refused))
    given = words(options.name, entity)
    texts = files(given)
    for path, text in texts.items():
        (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / path).write_text(text, encoding="utf-8")
    TABLE.write_text(with_entry(TABLE.read_text(encoding="utf-8"), given), encoding="utf-8")
    RETENTION.write_text(with_collection(RETENTION.read_text(encoding="utf-8"), given), encoding="utf-8")
    render(list(texts))
    report(given, list(texts))


if __name__ == "__main__":
    main()

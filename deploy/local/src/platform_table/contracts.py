"""Renders `.importlinter`: the permitted imports of every package in the checkout."""

from collections.abc import Iterable

from platform_table.table import CHECKOUT, CONNECTOR, JOB, OPERATOR, SERVICE, WEB, Platform, sources

DRIVERS = ("motor", "pymongo", "bson")
BEYOND_MODELS = (
    "chassis", "diwan", "google", "grpc", "pika", *DRIVERS, "structlog", "opentelemetry", "pydantic",
)  # fmt: skip
# From the top to the ground floor: a module imports only modules of the rows below its own.
CHASSIS_LAYERS = (
    ("service",),
    ("access_log", "connector", "operations", "retention", "revocations"),
    ("messaging", "rpc", "timers"),
    ("commands", "process", "run_with_lease"),
    ("admin_server", "mapping", "startup", "store", "tokens"),
    ("input_forms", "key_ring", "money", "pages", "protojson", "readiness", "telemetry"),
    ("broker_login", "key_files"),
    ("errors", "plain_lines"),
    ("log",),
    (
        "backoff",
        "caller",
        "components",
        "connections",
        "domain",
        "exceptions",
        "greenlets",
        "masks",
        "printable",
        "resource",
        "settings",
        "times",
    ),
)
CLIENTS_OF_STORE = ("api", "commands", "policies", "queries", "facts")


def rendered(platform: Platform) -> str:
    """The whole file."""
    services = tuple(dict.fromkeys(program.top for program in platform.of(SERVICE, WEB, JOB)))
    shipped = {program.top for program in platform.programs.values() if program.package}
    around = (
        *(program.top for program in platform.of(OPERATOR)),
        *_packages("deploy/local/src"),
    )
    kits = tuple(each for each in _packages("services/*/src") if each not in {"chassis", *shipped})
    connectors = tuple(dict.fromkeys(p.package.rpartition(".")[0] for p in platform.of(CONNECTOR)))
    contracts = (
        _contract(
            "services-apart",
            "A service never imports another service's code",
            "independence",
            modules=services,
        ),
        _contract(
            "chassis-below",
            "No service and no chassis imports the stack around it",
            source_modules=("chassis", *services),
            forbidden_modules=around,
        ),
        _contract(
            "testkit-apart",
            "Nothing that is shipped imports the test kit or the test runner",
            source_modules=("chassis", *services, "diwan", *around),
            forbidden_modules=(*kits, "pytest"),
        ),
        _contract(
            "chassis-no-service",
            "The chassis imports no service",
            source_modules=("chassis",),
            forbidden_modules=services,
        ),
        _contract(
            "driver",
            "The journey is driven from outside",
            source_modules=("demo",),
            forbidden_modules=("chassis", *services),
        ),
        _contract(
            "models",
            "Models are pure",
            source_modules=_modules(services, "model"),
            forbidden_modules=BEYOND_MODELS,
            # The base of all refusals, which imports the standard library alone.
            options=(
                "ignore_imports =",
                "    *.model -> chassis.domain",
                "    *.model.* -> chassis.domain",
                "    *.model.* -> chassis.printable",
            ),
        ),
        _contract(
            "store-door",
            "Only the store's modules import the driver",
            source_modules=_modules(services, *CLIENTS_OF_STORE),
            forbidden_modules=DRIVERS,
            options=("allow_indirect_imports = True",),
        ),
        _contract(
            "layers-of-a-service",
            "API, policies and store do not import each other",
            source_modules=_modules(services, "store"),
            forbidden_modules=_modules(services, "api", "policies"),
        ),
        _contract(
            "connectors",
            "Connectors import neither gRPC nor the store, not even through others",
            source_modules=("chassis.connector", *connectors),
            forbidden_modules=("grpc", *DRIVERS, "chassis.store", "chassis.rpc"),
        ),
        _contract(
            "chassis-layers",
            "No import of the chassis points upward",
            "layers",
            options=("exhaustive = True",),
            containers=("chassis",),
            layers=tuple(" | ".join(row) for row in CHASSIS_LAYERS),
        ),
        _contract(
            "no-circles",
            "No module imports itself through others",
            "acyclic_siblings",
            ancestors=("chassis", *services),
        ),
    )
    head = (
        "# Rendered from deploy/platform.yaml by `python scripts/render_platform.py`; do not edit.",
        "# The contracts are in deploy/local/src/platform_table/contracts.py.",
        "[importlinter]",
        *_listed("root_packages", ("chassis", *services, "diwan", *around, *kits)),
        "include_external_packages = True",
        "",
    )
    return "\n".join((*head, *(line for contract in contracts for line in contract)))


def _packages(folders: str) -> tuple[str, ...]:
    return tuple(sorted(path.parent.name for path in CHECKOUT.glob(f"{folders}/*/__init__.py")))


def _modules(services: Iterable[str], *names: str) -> tuple[str, ...]:
    """The modules that exist: a service without queries has no `queries`."""
    return tuple(
        f"{service}.{name}"
        for service in services
        for name in names
        if (folder := sources(service))
        and ((folder / service / f"{name}.py").exists() or (folder / service / name).is_dir())
    )


def _listed(key: str, names: Iterable[str]) -> tuple[str, ...]:
    return (f"{key} =", *(f"    {name}" for name in names))


def _contract(
    key: str, name: str, kind: str = "forbidden", options: tuple[str, ...] = (), **lists: tuple[str, ...]
) -> tuple[str, ...]:
    lines = (line for field, names in lists.items() if names for line in _listed(field, names))
    return (f"[importlinter:contract:{key}]", f"name = {name}", f"type = {kind}", *lines, *options, "")

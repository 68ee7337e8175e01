"""A wrong setting or key file of any program ends it with one line: which, why, what to do; never its value."""

import json
import os
import subprocess
import sys
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import identity.settings
import notary.settings
import notification.connectors.sms.settings
import notification.settings
import payments.connectors.acquirer.settings
import payments.settings
import pytest
from annotated_types import Ge, Gt, Le, MaxLen, MinLen
from chassis import key_files
from chassis.key_ring import KeyRing
from chassis.settings import EXIT_STATUS, WrongSetting, load, variable
from chassis.startup import configure
from chassis.tokens import read_signing_key
from identity.signing import Signing
from joserfc.jwk import ECKey
from notary import signer_check
from pydantic import SecretStr
from pydantic.fields import FieldInfo
from testkit.connectors import eventually, http
from testkit.keys import make_keys
from testkit.ports import free_port
from testkit.processes import check_status

CLASSES = {
    "identity": identity.settings.Settings,
    "notary": notary.settings.Settings,
    "payments": payments.settings.Settings,
    "notification": notification.settings.Settings,
    "sms": notification.connectors.sms.settings.Settings,
    "acquirer": payments.connectors.acquirer.settings.Settings,
}
MODULES = {
    "sms": "notification.connectors.sms",
    "acquirer": "payments.connectors.acquirer",
}
# A file that can be written later: whether it is one shows only then.
ANY_TEXT = {"state_dir", "callback_key_file"}
# The channel waits for a target that cannot be resolved, as for one that is away; this program has no default.
ANY_TARGET = {"identity_target"}
BEYOND: dict[type, Callable[[Any], str]] = {
    Ge: lambda limit: str(limit.ge - 1),
    Gt: lambda limit: str(limit.gt),
    Le: lambda limit: str(limit.le + 1),
    MaxLen: lambda limit: "x" * (limit.max_length + 1),
    MinLen: lambda limit: "",
}
WRONG_URIS = {
    "broker_uri": [
        "",
        "http://host",
        "amqp://",
        "amqp://u:p@:5672/x",
        "amqp://u:p@host:port/x",
        "amqp://u:p@host:99999",
    ],
    "store_uri": ["", "http://host", "mysql://u:p@host"],
    "api_url": ["", "ftp://host", "https://", "https://host:port"],
    "http_listen": ["", "8080", "host:99999", "host:http", "a b:80"],
    "grpc_listen": ["", "50051", "host:70000"],
}


def valid(name: str, folder: Path) -> dict[str, str]:
    """Variables with which the program's settings load."""
    given = {
        "broker_uri": f"amqp://{name}:s3cret@127.0.0.1:1/diwan",
        "keys_dir": str(folder),
        "store_uri": "mongodb://127.0.0.1:1/",
        "store_database": "trial",
        "identity_target": "dns:///127.0.0.1:1",
        "services": "identity",
        "smsc_host": "smsc.example",
        "smsc_system_id": "diwan",
        "smsc_password": "s3cret",
        "api_url": "https://acquirer.example",
        "api_key": "s3cret",
    }
    cls = CLASSES[name]
    return {variable(cls, field): value for field, value in given.items() if field in cls.model_fields}


def wrong_values(field: str, info: FieldInfo) -> Iterator[str]:
    """Values that the setting must refuse, from its type and limits."""
    if field in WRONG_URIS:
        yield from WRONG_URIS[field]
        return
    kinds = typing.get_args(info.annotation) or (info.annotation,)
    if not set(kinds) & {str, Path, SecretStr}:
        yield "nonsense"
    for limit in info.metadata:
        yield from (beyond(limit) for kind, beyond in BEYOND.items() if isinstance(limit, kind))
        if getattr(limit, "pattern", None):
            yield "\x00 !"
    if field == "keys_dir":
        yield "/no/such/folder"


WRONG = [
    (name, field, value)
    for name, cls in CLASSES.items()
    for field, info in cls.model_fields.items()
    for value in wrong_values(field, info)
]


@pytest.mark.parametrize(("name", "field", "value"), WRONG)
def test_a_wrong_value_is_refused_in_one_line(
    name: str, field: str, value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """The line names program and variable and says what to set."""
    for key, text in valid(name, tmp_path).items():
        monkeypatch.setenv(key, text)
    path = tmp_path / "value"
    path.write_text(value)
    wrong = variable(CLASSES[name], field)
    monkeypatch.delenv(wrong, raising=False)
    monkeypatch.setenv(f"{wrong}_FILE", str(path))

    with pytest.raises(SystemExit) as ended:
        load(CLASSES[name], name)

    (line,) = capsys.readouterr().err.splitlines()
    assert ended.value.code == EXIT_STATUS
    assert line.startswith(f"{name}: {wrong} is wrong")
    assert "; set it to: " in line
    assert "s3cret" not in line


def test_every_setting_refuses_something() -> None:
    """A setting that accepts any text would fail later, without its name."""
    without = {
        f"{name}.{field}"
        for name, cls in CLASSES.items()
        for field in cls.model_fields
        if field not in ANY_TEXT | ANY_TARGET and (name, field) not in {(a, b) for a, b, _ in WRONG}
    }

    assert without == set()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OTEL_TRACES_SAMPLER", "nonsense"),
        ("OTEL_TRACES_SAMPLER_ARG", "1.5"),
        ("OTEL_TRACES_SAMPLER_ARG", "half"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318"),
    ],
)
def test_a_wrong_variable_of_telemetry_is_refused(
    name: str, value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """It would otherwise be ignored, and traces missed when they are needed."""
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "traceidratio")
    for key, text in (valid("payments", tmp_path) | {name: value}).items():
        monkeypatch.setenv(key, text)

    with pytest.raises(SystemExit) as ended:
        configure("payments", CLASSES["payments"], "payments")

    assert ended.value.code == EXIT_STATUS
    assert capsys.readouterr().err.startswith(f"payments: {name} is wrong")


def _short(folder: Path) -> str:
    return "00" * 31


def _public(folder: Path) -> str:
    return json.dumps(ECKey.generate_key("P-256").as_dict(private=False))


def _other_curve(folder: Path) -> str:
    return json.dumps(ECKey.generate_key("P-384").as_dict(private=True))


JWK_FAULTS = ["", "{", "[]", '"text"', '{"kty": "EC", "crv": "P-256", "x": 1, "y": 2}', _public, _other_curve]
HEX_FAULTS = ["", "random bytes", "zz" * 32, _short]
PEM_FAULTS = ["", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
Read = Callable[[Path], object]
FILES: list[tuple[str, Read, list[Any]]] = [
    ("hash.key", lambda folder: KeyRing("identity", folder), HEX_FAULTS),
    ("seal.jwk", lambda folder: KeyRing("identity", folder), JWK_FAULTS),
    ("seal-2026.jwk", lambda folder: KeyRing("identity", folder), JWK_FAULTS),
    ("client.jwk", lambda folder: read_signing_key(folder / "client.jwk"), JWK_FAULTS),
    ("signing.jwk", Signing.read, JWK_FAULTS),
    ("callback.key", lambda folder: key_files.read_hex(folder / "callback.key"), HEX_FAULTS),
    ("signer.key", signer_check.check, PEM_FAULTS),
]
BINARY, FOLDER, MISSING = b"\xff\xfe\x00\x80", "a folder", "no file"


@pytest.mark.parametrize(
    ("name", "read", "fault"),
    [
        (name, read, fault)
        for name, read, faults in FILES
        for fault in [*faults, BINARY, FOLDER, *([] if name == "seal-2026.jwk" else [MISSING])]
    ],
)
def test_a_wrong_key_file_is_refused_with_its_path(name: str, read: Read, fault: Any, tmp_path: Path) -> None:
    """Missing, unreadable, of another kind, too short: the text says which, and what it must be."""
    make_keys(tmp_path, ["identity"])
    folder = tmp_path / "identity"
    path = folder / name
    path.unlink(missing_ok=True)
    if fault == FOLDER:
        path.mkdir()
    elif isinstance(fault, bytes):
        path.write_bytes(fault)
    elif fault != MISSING:
        path.write_text(fault(folder) if callable(fault) else fault)

    with pytest.raises(WrongSetting) as refused:
        read(folder)

    assert str(path) in str(refused.value)
    assert any(words in str(refused.value) for words in ("must be", "must hold", "provide this key file"))


class Started:
    """A program as a process, with keys of its own; its peers do not answer."""

    def __init__(self, name: str, folder: Path, **changed: str) -> None:
        self.log = folder / "log"
        given = valid(name, folder / name) | changed
        with self.log.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-W", "ignore", "-m", MODULES.get(name, name)],
                env={"PATH": os.environ["PATH"], **given},
                stdout=out,
                stderr=out,
                cwd=folder,
            )

    def ends(self) -> str:
        """Wait for the end; the text that it has written."""
        eventually(lambda: self.process.poll() is not None, 60)
        return self.log.read_text()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Started]]:
    started: list[Started] = []

    def begin(name: str, **changed: str) -> Started:
        started.append(Started(name, tmp_path, **changed))
        return started[-1]

    yield begin
    for each in started:
        each.process.kill()
        each.process.wait()


@pytest.mark.process
@pytest.mark.parametrize(
    ("name", "file", "content"),
    [
        ("identity", "signing.jwk", "{"),
        ("notary", "client.jwk", "none"),
        ("payments", "client.jwk", "none"),
        ("notification", "hash.key", "random bytes"),
        ("sms", "hash.key", "00"),
        ("acquirer", "callback.key", "00ff"),
    ],
)
def test_a_program_with_a_wrong_key_file_ends_with_status_2(
    start: Callable[..., Started], tmp_path: Path, name: str, file: str, content: str
) -> None:
    """At once, although store and broker do not answer; no stack hides the line."""
    make_keys(tmp_path, [name])
    (tmp_path / name / file).write_text(content)

    program = start(name)

    text = program.ends()
    check_status(program.process.returncode, EXIT_STATUS, text)
    (line,) = (line for line in text.splitlines() if line.startswith(f"{name}: "))
    assert str(tmp_path / name / file) in line
    assert "Traceback" not in text


@pytest.mark.process
def test_an_unreachable_store_is_logged_at_once_and_named_in_readyz(
    start: Callable[..., Started], tmp_path: Path
) -> None:
    """An operator sees what the process waits for."""
    make_keys(tmp_path, ["notification"])
    port = free_port()

    program = start("notification", NOTIFICATION_HTTP_LISTEN=f"127.0.0.1:{port}")

    eventually(lambda: "store does not answer" in program.log.read_text(), 60)
    status, text = http("GET", f"http://127.0.0.1:{port}/readyz")
    assert status == 503
    assert json.loads(text)["components"] == {"store": False}

"""Settings: read from the environment, validated at start, listed by `--help`.

Each setting of service `notary` is a variable `NOTARY_<SETTING>`; for secrets, `NOTARY_<SETTING>_FILE` names a
file that contains the value. A wrong setting ends the process with a line that states the variable, the fault
and the remedy, never the value. `BROKER_URI` without a prefix applies to services that have none of their own.
"""

import os
import sys
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, DirectoryPath, Field, StringConstraints, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict


class WrongSetting(Exception):
    """A setting, or a file that a setting names, is wrong. The text says which, why and what to do, never its value.

    It ends the process with exit status 2 and this text.
    """


def _checked_port(address: str) -> str:
    if int(address.rpartition(":")[2]) > PORT_MAX:
        raise ValueError(f"a port is at most {PORT_MAX}")
    return address


def _checked_uri(uri: str) -> str:
    """Refuse a URI without a host or with an unreadable port, which the client would only meet later."""
    try:
        parts = urlsplit(uri)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ValueError("the address or port is malformed; a password must be percent-encoded") from None
    if not host:
        raise ValueError("it names no host")
    return uri


PORT_MAX = 65_535

Uri = Annotated[str, AfterValidator(_checked_uri)]
"""A URI with one host."""

Address = Annotated[
    str,
    StringConstraints(pattern=r"^(\[[0-9a-fA-F:]+\]|[A-Za-z0-9._-]*):\d{1,5}$"),
    AfterValidator(_checked_port),
]
"""`host:port`; an empty host means all interfaces, port 0 a free port."""

S = TypeVar("S", bound=BaseSettings)

EXIT_STATUS = 2
"""Exit status of a process with a wrong setting."""

_SHARED = ("broker_uri",)


class ProcessSettings(BaseSettings):
    """Settings that services and connectors share."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)

    broker_uri: Uri = Field(
        description="URI of the broker with user and password: amqp://user:password@host:5672/vhost",
        pattern=r"^amqps?://",
        repr=False,
    )
    http_listen: Address = Field(
        "127.0.0.1:0", description="Address of the HTTP server for /metrics, /healthz and /readyz, host:port"
    )
    keys_dir: DirectoryPath = Field(description="Folder with the keys of this process")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="Lowest severity of log lines"
    )
    drain_seconds: float = Field(
        20, gt=0, le=300, description="Time limit to finish calls and messages after SIGTERM, seconds"
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        del dotenv_settings, file_secret_settings
        return init_settings, env_settings, _Files(settings_cls), _Shared(settings_cls)


class ServiceSettings(ProcessSettings):
    """Settings of every service. A service adds its own and sets the prefix in `model_config`."""

    store_uri: str = Field(
        description="URI of this service's own store: mongodb://user:password@host:27017/?…",
        repr=False,
        pattern=r"^mongodb(\+srv)?://",
    )
    store_database: str = Field(
        description="Name of the database in that store", pattern=r"^[a-z][a-z0-9_-]{0,37}$"
    )
    grpc_listen: Address = Field("127.0.0.1:0", description="Address of the gRPC server, host:port")
    identity_target: str = Field(
        "", description="gRPC target of identity, such as dns:///identity:50051; empty for identity itself"
    )
    state_dir: Path = Field(
        Path(".state"), description="Folder for cached data that may be lost: identity's public keys"
    )
    reflection: bool = Field(default=True, description="Whether the gRPC server offers reflection")
    max_message_bytes: int = Field(
        4 * 1024 * 1024,
        ge=1024,
        le=64 * 1024 * 1024,
        description="Size limit of a gRPC request or response, bytes",
    )
    max_concurrent_calls: int = Field(
        200, ge=1, le=10_000, description="Calls in progress at a time; further ones wait for their turn"
    )
    max_waiting_calls: int = Field(
        1000,
        ge=0,
        le=20_000,
        description="Calls that wait for their turn; further ones are refused with RESOURCE_EXHAUSTED (OVERLOADED)",
    )
    parked_days: int = Field(
        90, ge=1, le=3650, description="Age at which a parked message of this service is deleted, days"
    )

    @property
    def trusted_front_services(self) -> frozenset[str]:
        """Services that state their user's network address; a service that counts requests by it overrides this."""
        return frozenset()


class AccessLogSettings(ServiceSettings):
    """Settings of a service with an access log (`access_log`)."""

    access_log_days: int = Field(
        1825, ge=30, le=36_500, description="Age at which a record of the access log is deleted, days"
    )


class UploadSettings(ServiceSettings):
    """Settings of a service with RPCs that take files (`rpc.uploads`)."""

    max_upload_bytes: int = Field(
        256 * 1024 * 1024, ge=1024, le=4 * 1024**3, description="Size limit of a file sent as a stream, bytes"
    )
    upload_idle_seconds: float = Field(
        30, gt=0, le=300, description="Longest pause between two messages of a file sent as a stream, seconds"
    )
    max_uploads_per_caller: int = Field(
        default=2, ge=1, le=16, description="Files that one caller sends at a time; further ones are refused"
    )


def load(settings_class: type[S], name: str) -> S:
    """Read the settings, or exit with status 2 and a line for each wrong setting.

    Args:
        settings_class: the service's settings.
        name: of the process; each line starts with it.
    """
    given: dict[str, Any] = {}  # all values come from the sources above
    try:
        return settings_class(**given)
    except ValidationError as error:
        _refuse(settings_class, name, error)


def refuse(name: str, error: WrongSetting) -> None:
    """Write the line of a wrong setting to standard error; the caller ends the process with EXIT_STATUS."""
    # This line is for the person who starts the program; `plain_lines` would make it a line of the log.
    stream = getattr(sys.stderr, "plain", sys.stderr)
    stream.write(f"{name}: {error}. See --help.\n")
    stream.flush()


def variable(settings_class: type[BaseSettings], field: str) -> str:
    """Name of the environment variable of a setting."""
    return (settings_class.model_config.get("env_prefix", "") + field).upper()


def explain(settings_class: type[BaseSettings]) -> str:
    """Describe every setting: variable, default or "required", description."""
    lines = ["settings, from the environment (VARIABLE_FILE names a file that contains the value):"]
    for field, info in settings_class.model_fields.items():
        lines.append(f"  {variable(settings_class, field)}  [{_default(info)}]")
        lines.append(f"      {info.description or ''}")
    lines.append("  OTEL_EXPORTER_OTLP_ENDPOINT  [none: no spans are sent]")
    lines.append("      Collector of traces (OTLP over HTTP); the other standard OTEL_* variables apply too")
    return "\n".join(lines)


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "required"
    value = info.get_default(call_default_factory=False)
    return "computed" if value is PydanticUndefined else f"default: {value if value != '' else 'empty'}"


def _refuse(settings_class: type[BaseSettings], name: str, error: ValidationError) -> NoReturn:
    for problem in error.errors(include_input=False, include_url=False, include_context=False):
        field = str(problem["loc"][0]) if problem["loc"] else ""
        info = settings_class.model_fields.get(field)
        missing = problem["type"] == "missing"
        why = "is not set" if missing else f"is wrong ({problem['msg']})"
        what = f" to: {info.description}" if info and info.description else ""
        sys.stderr.write(f"{name}: {variable(settings_class, field)} {why}; set it{what}. See --help.\n")
    raise SystemExit(EXIT_STATUS)


class _Files(PydanticBaseSettingsSource):
    """Values from the files in `<VARIABLE>_FILE`; an unreadable file is a wrong setting."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        del field
        path = os.environ.get(variable(self.settings_cls, field_name) + "_FILE")
        if not path:
            return None, field_name, False
        try:
            return Path(path).read_text(encoding="utf-8").strip(), field_name, False
        except (OSError, UnicodeDecodeError) as error:
            name = variable(self.settings_cls, field_name)
            why = getattr(error, "strerror", None) or "not a text file"
            sys.stderr.write(f"{name}_FILE is wrong ({why}); set it to a readable file, or set {name}.\n")
            raise SystemExit(EXIT_STATUS) from None

    def __call__(self) -> dict[str, Any]:
        read = {
            name: self.get_field_value(info, name)[0] for name, info in self.settings_cls.model_fields.items()
        }
        return {name: value for name, value in read.items() if value is not None}


class _Shared(PydanticBaseSettingsSource):
    """Values of variables without a prefix, shared by all processes of a deployment."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        del field
        return os.environ.get(field_name.upper()), field_name, False

    def __call__(self) -> dict[str, Any]:
        names = [
            name for name in _SHARED if name in self.settings_cls.model_fields and name.upper() in os.environ
        ]
        return {name: os.environ[name.upper()] for name in names}

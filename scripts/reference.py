"""Write the API and event reference (Markdown, AsyncAPI 3.0) from a descriptor set with source comments."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from buf.validate import validate_pb2
from diwan.options.v1 import options_pb2
from diwan.rules.v1 import rules_pb2
from google.protobuf import descriptor_pb2 as d

HEAD = "<!-- Generated from protos/ by `make protos`; do not edit. -->\n\n"
TYPES = {value: name.removeprefix("TYPE_").lower() for name, value in d.FieldDescriptorProto.Type.items()}
RULE_WORDS = {
    rules_pb2.uuid4.full_name: "UUID4",
    rules_pb2.national_id.full_name: "national ID",
    rules_pb2.mobile.full_name: "mobile, E.164",
    rules_pb2.code.full_name: "one-time code",
    rules_pb2.document_number.full_name: "document number",
    rules_pb2.printed_code.full_name: "printed code",
    rules_pb2.staff_number.full_name: "staff number",
}


class Commented(NamedTuple):
    """An element of a file with its leading comment."""

    element: Any
    comment: str


class Source:
    """A proto file with its comments by path."""

    def __init__(self, file: d.FileDescriptorProto) -> None:
        self.file = file
        self.comments = {
            tuple(location.path): " ".join(location.leading_comments.split())
            for location in file.source_code_info.location
            if location.leading_comments
        }

    def services(self) -> Iterator[tuple[int, Commented]]:
        for index, service in enumerate(self.file.service):
            yield index, Commented(service, self.comments.get((6, index), ""))

    def methods(self, index: int) -> Iterator[Commented]:
        for at, method in enumerate(self.file.service[index].method):
            yield Commented(method, self.comments.get((6, index, 2, at), ""))

    def messages(self) -> Iterator[tuple[int, Commented]]:
        for index, message in enumerate(self.file.message_type):
            yield index, Commented(message, self.comments.get((4, index), ""))

    def fields(self, index: int) -> Iterator[Commented]:
        for at, field in enumerate(self.file.message_type[index].field):
            yield Commented(field, self.comments.get((4, index, 2, at), ""))

    def package_comment(self) -> str:
        return self.comments.get((2,), "")

    def extensions(self) -> Iterator[Commented]:
        for at, extension in enumerate(self.file.extension):
            yield Commented(extension, self.comments.get((7, at), ""))

    def enums(self) -> Iterator[tuple[Commented, list[Commented]]]:
        for index, enum in enumerate(self.file.enum_type):
            values = [
                Commented(value, self.comments.get((5, index, 2, at), ""))
                for at, value in enumerate(enum.value)
            ]
            yield Commented(enum, self.comments.get((5, index), "")), values


def short(type_name: str) -> str:
    return type_name.rsplit(".", 1)[-1]


def type_of(field: d.FieldDescriptorProto, message: d.DescriptorProto) -> str:
    name = short(field.type_name) if field.type_name else TYPES[field.type]
    for nested in message.nested_type:
        if (
            nested.options.map_entry and nested.name == name
        ):  # protoc represents a map as such a nested message
            return f"map of {' to '.join(type_of(part, nested) for part in nested.field)}"
    repeated = field.label == d.FieldDescriptorProto.LABEL_REPEATED
    return f"repeated {name}" if repeated else name


def marks(field: d.FieldDescriptorProto) -> str:
    """Return the marks of a field from its options: personal, sealed, and named rules."""
    parts = []
    if field.options.Extensions[options_pb2.personal]:
        parts.append("personal")
    if reader := field.options.Extensions[options_pb2.sealed_for]:
        parts.append(f"sealed for {reader}")
    string_rules = field.options.Extensions[validate_pb2.field].string
    parts += [
        RULE_WORDS[extension.full_name]
        for extension, value in string_rules.ListFields()
        if extension.full_name in RULE_WORDS and value
    ]
    parts += ["UUID"] * string_rules.uuid
    return ", ".join(parts)


def callers(method: d.MethodDescriptorProto) -> str:
    access = method.options.Extensions[options_pb2.access]
    parts = ["anyone"] * access.anyone + ["citizen"] * access.citizen
    parts += [f"officer:{role}" for role in access.officer_roles]
    parts += [f"service:{client}" for client in access.services]
    return ", ".join(parts)


def cell(text: str) -> str:
    return text.replace("|", "\\|")


def field_table(source: Source, index: int) -> Iterator[str]:
    rows = list(source.fields(index))
    if not rows:
        return
    yield "| field | type | rule | description |"
    yield "|---|---|---|---|"
    for field, comment in rows:
        kind = type_of(field, source.file.message_type[index])
        yield f"| `{field.name}` | {kind} | {marks(field)} | {cell(comment)} |"
    yield ""


def message_section(source: Source, index: int, message: Commented) -> Iterator[str]:
    yield f"#### {message.element.name}\n"
    yield f"{message.comment}\n"
    yield from field_table(source, index)


def kinds(sources: list[Source]) -> Iterator[str]:
    """Yield the kinds of fields that people type, with the spellings that are accepted."""
    rules = next(source for source in sources if source.file.package == "diwan.rules.v1")
    yield "## Spellings of typed fields\n"
    yield f"{rules.package_comment()}\n"
    yield "| rule | form and accepted spellings |"
    yield "|---|---|"
    yield "| UUID | A UUID of any version, in lower case. Accepted and refused: as for a UUID4. |"
    for extension, comment in rules.extensions():
        yield f"| {RULE_WORDS[f'{rules.file.package}.{extension.name}']} | {cell(comment)} |"
    yield ""


def api(sources: list[Source]) -> Iterator[str]:
    """Yield the API reference: services with their RPCs, messages and enums."""
    yield HEAD + "# API reference\n"
    yield "Every changing RPC has a `request_id`, except the operators' RPCs, which name one parked message."
    yield "Errors carry a `google.rpc.ErrorInfo` with a reason: those listed here, and the"
    yield "[reasons common to all services](../../services/chassis/README.md#errors).\n"
    yield from kinds(sources)
    for source in sources:
        for index, service in source.services():
            yield f"## {source.file.package}.{service.element.name}\n"
            yield f"{service.comment}\n"
            yield "| RPC | request | response | callers | description |"
            yield "|---|---|---|---|---|"
            for method, comment in source.methods(index):
                gives = ("stream " if method.server_streaming else "") + short(method.output_type)
                takes = ("stream " if method.client_streaming else "") + short(method.input_type)
                row = [f"`{method.name}`", takes, gives, callers(method), cell(comment)]
                yield f"| {' | '.join(row)} |"
            yield ""
            for at, message in source.messages():
                yield from message_section(source, at, message)
            for enum, values in source.enums():
                yield f"#### {enum.element.name}\n"
                yield f"{enum.comment}\n"
                yield from (f"- `{value.name}`: {comment}" for value, comment in values)
                yield ""


def published(sources: list[Source]) -> Iterator[tuple[Source, int, Commented, Any]]:
    for source in sources:
        for index, message in source.messages():
            if message.element.options.HasExtension(options_pb2.event):
                yield source, index, message, message.element.options.Extensions[options_pb2.event]


def events(sources: list[Source]) -> Iterator[str]:
    """Yield the event reference: the facts and commands on the broker."""
    yield HEAD + "# Event reference\n"
    yield "Bodies are proto-JSON; attributes are CloudEvents 1.0 in `cloudEvents_*` headers (binary mode).\n"
    for source, index, message, event in published(sources):
        yield f"## {event.exchange} `{event.key}`\n"
        kind = "A command to one reader" if event.exchange.endswith(".commands") else "A fact"
        secret = "; contains a secret and is never replayed" if event.secret else ""
        yield f"`{source.file.package}.{message.element.name}`. {kind}{secret}.\n\n{message.comment}\n"
        yield from field_table(source, index)
    yield "# Sealed contents\n"
    yield "These messages travel only inside a JWE, or inside another message.\n"
    for source in sources:
        if not source.file.name.endswith(("events.proto", "sms.proto", "acquirer.proto")):
            continue
        for index, message in source.messages():
            if not message.element.options.HasExtension(options_pb2.event):
                yield from message_section(source, index, message)


JSON_TYPES = {
    d.FieldDescriptorProto.TYPE_BOOL: "boolean",
    d.FieldDescriptorProto.TYPE_INT32: "integer",
    d.FieldDescriptorProto.TYPE_MESSAGE: "object",
}  # all others are strings in proto-JSON, also 64-bit integers


def property_of(field: d.FieldDescriptorProto, comment: str) -> dict[str, Any]:
    kind = "string" if short(field.type_name) == "Timestamp" else JSON_TYPES.get(field.type, "string")
    description = {"description": comment}
    if field.label == d.FieldDescriptorProto.LABEL_REPEATED:
        return {"type": "array", "items": {"type": kind}, **description}
    return {"type": kind, **description}


def schema(source: Source, index: int) -> dict[str, Any]:
    properties = {field.json_name: property_of(field, comment) for field, comment in source.fields(index)}
    return {"type": "object", "properties": properties}


def asyncapi(sources: list[Source]) -> dict[str, Any]:
    """Return an AsyncAPI 3.0 document: one channel and one send operation for each exchange and key."""
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    for source, index, message, event in published(sources):
        name = message.element.name
        exchange = {"name": event.exchange, "type": "topic", "durable": True}
        channels[name] = {
            "address": event.key,
            "description": message.comment,
            "bindings": {"amqp": {"is": "routingKey", "exchange": exchange}},
            "messages": {name: {"contentType": "application/json", "payload": schema(source, index)}},
        }
        operations[f"send{name}"] = {"action": "send", "channel": {"$ref": f"#/channels/{name}"}}
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Diwan events", "version": "1.0.0"},
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
    }


def main() -> None:
    """Write the reference; the arguments are the descriptor set and the output folder."""
    descriptor_set, folder = map(Path, sys.argv[1:])
    files = d.FileDescriptorSet.FromString(descriptor_set.read_bytes()).file
    sources = [Source(file) for file in sorted(files, key=lambda f: f.name) if file.name.startswith("diwan/")]
    (folder / "api.md").write_text("\n".join(api(sources)))
    (folder / "events.md").write_text("\n".join(events(sources)))
    document = json.dumps(asyncapi(sources), indent=2, ensure_ascii=False)
    (folder / "events.asyncapi.json").write_text(document + "\n")


if __name__ == "__main__":
    main()

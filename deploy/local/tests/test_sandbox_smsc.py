"""The sandbox's SMSC, tested PDU by PDU."""

import json
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import smpp34
from sandbox.phones import MESSAGES_MAX, PHONES_MAX, Phones
from testkit.connectors import Program, http, read_json, running
from testkit.ports import free_port

HEADER = struct.Struct(">IIII")
BIND, SUBMIT, DELIVER, ENQUIRE, UNBIND = 0x9, 0x4, 0x5, 0x15, 0x6


@dataclass
class Smsc:
    port: int
    url: str

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)


@pytest.fixture(scope="module")
def smsc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Smsc]:
    port, http_port = free_port(), free_port()
    url = f"http://127.0.0.1:{http_port}"
    arguments = [
        "-m",
        "sandbox.smsc",
        "--port",
        str(port),
        "--http-port",
        str(http_port),
        "--receipt-delay",
        "0",
    ]
    with running(Program(arguments, {}, f"{url}/healthz", tmp_path_factory.mktemp("smsc") / "log")):
        yield Smsc(port, url)


def request(connection: socket.socket, command: int, body: bytes = b"") -> tuple[int, int, bytes]:
    """Send a PDU and return the next one received: command, status, body."""
    connection.sendall(HEADER.pack(HEADER.size + len(body), command, 0, 7) + body)
    return read(connection)


def read(connection: socket.socket) -> tuple[int, int, bytes]:
    length, command, status, _ = HEADER.unpack(connection.recv(HEADER.size, socket.MSG_WAITALL))
    return (
        command,
        status,
        connection.recv(length - HEADER.size, socket.MSG_WAITALL) if length > HEADER.size else b"",
    )


def bind(connection: socket.socket, password: bytes = b"secret") -> int:
    return request(connection, BIND, b"diwan\0" + password + b"\0\0\x34\0\0\0")[1]


def test_wrong_password_is_refused(smsc: Smsc) -> None:
    """A bind with a wrong password returns ESME_RINVPASWD, and a submit after it is refused."""
    with smsc.connect() as connection:
        assert bind(connection, b"other") == 0x0E

        connection.sendall(smpp34.SubmitSm("DIWAN", "201000000001", b"x", sequence_number=8).encode())

        assert read(connection)[1] == 0x04


def test_enquire_link_and_unbind_are_answered(smsc: Smsc) -> None:
    """A session is kept alive and closed as SMPP 3.4 defines."""
    with smsc.connect() as connection:
        assert bind(connection) == 0
        assert request(connection, ENQUIRE)[:2] == (ENQUIRE | 0x80000000, 0)
        assert request(connection, UNBIND)[:2] == (UNBIND | 0x80000000, 0)
        assert connection.recv(1) == b""


def test_unknown_command_gets_a_nack(smsc: Smsc) -> None:
    """submit_multi is not supported."""
    with smsc.connect() as connection:
        bind(connection)

        assert request(connection, 0x21)[:2] == (0x80000000, 0x03)


def test_submit_is_delivered_and_its_receipt_repeated_until_accepted(smsc: Smsc) -> None:
    """A receipt that is answered with an error is sent again."""
    with smsc.connect() as connection:
        bind(connection)
        text = "مرحبا".encode("utf-16-be")
        submit = smpp34.SubmitSm(
            "DIWAN", "201000000002", text, data_coding=8, registered_delivery=1, sequence_number=9
        )
        connection.sendall(submit.encode())
        answers = [read(connection), read(connection)]
        assert {command for command, _, _ in answers} == {SUBMIT | 0x80000000, DELIVER}

        refusal = HEADER.pack(HEADER.size + 1, DELIVER | 0x80000000, 0x64, 1) + b"\0"
        connection.sendall(refusal)

        assert read(connection)[0] == DELIVER
    (shown,) = read_json(f"{smsc.url}/phones/201000000002/messages")
    assert shown["text"] == "مرحبا"


def test_inbox_is_cleared(smsc: Smsc) -> None:
    """DELETE removes the messages of one phone."""
    with smsc.connect() as connection:
        bind(connection)
        connection.sendall(smpp34.SubmitSm("DIWAN", "201000000003", b"x", sequence_number=9).encode())
        read(connection)
    url = f"{smsc.url}/phones/%2B201000000003/messages"
    assert len(read_json(url)) == 1

    assert http("DELETE", url)[0] == 200

    assert read_json(url) == []


def test_invalid_faults_and_paths_are_refused(smsc: Smsc) -> None:
    """A fault that is not a number is a bad request; an unknown path is not found."""
    assert http("POST", f"{smsc.url}/faults", json.dumps({"throttle": "many"}).encode())[0] == 400
    assert http("GET", f"{smsc.url}/nothing")[0] == 404


def test_memory_is_bounded() -> None:
    """The messages of a phone and the number of phones are limited."""
    phones = Phones()
    for number in range(MESSAGES_MAX + 5):
        phones.deliver("1", "DIWAN", str(number), b"x", coding=0, udh=False)
    for number in range(PHONES_MAX):
        phones.deliver(str(number + 10), "DIWAN", "p", b"x", coding=0, udh=False)

    assert phones.messages("1") == []
    assert len(phones.messages("10")) == 1


def test_parts_in_any_order_are_one_text() -> None:
    """The phone shows a text when all parts have arrived, in their order."""
    phones = Phones()
    phones.deliver("1", "DIWAN", "b", bytes([5, 0, 3, 9, 2, 2]) + b"world", coding=0, udh=True)
    assert phones.messages("1") == []

    phones.deliver("1", "DIWAN", "a", bytes([5, 0, 3, 9, 2, 1]) + b"hello ", coding=0, udh=True)

    (shown,) = phones.messages("1")
    assert (shown["text"], shown["parts"]) == ("hello world", ["a", "b"])


def part(text: str, number: int, reference: int) -> bytes:
    """Return one of two parts with a reference of 16 bits."""
    return bytes([6, 8, 4, *reference.to_bytes(2), 2, number]) + text.encode()


@pytest.mark.parametrize(("other_reference", "whole"), [(0x0150, True), (0x0050, False)])
def test_texts_are_joined_by_originator_and_reference_alone(other_reference: int, *, whole: bool) -> None:
    """Two texts with one reference are mixed, as on a real phone; all 16 bits of a reference count."""
    phones = Phones()
    parts = [
        ("one ", 1, 0x0050),
        ("two ", 1, other_reference),
        ("one", 2, 0x0050),
        ("two", 2, other_reference),
    ]

    for text, number, reference in parts:
        phones.deliver("1", "DIWAN", text + str(number), part(text, number, reference), coding=0, udh=True)

    shown = [message["text"] for message in phones.messages("1")]
    assert shown == (["one one", "two two"] if whole else ["two one"])
    assert [one["parts"] for one in phones.incomplete("1")] == ([] if whole else [[2]])


def test_a_repeated_part_replaces_the_earlier_one() -> None:
    """A text whose submission was repeated is shown once; the header may have other elements too."""
    phones = Phones()
    for number in (1, 1, 2):
        phones.deliver("1", "DIWAN", "p", part("a", number, 7), coding=0, udh=True)
    phones.deliver("1", "DIWAN", "p", bytes([5, 4, 3, 1, 2, 3]) + b"whole", coding=0, udh=True)

    assert [message["text"] for message in phones.messages("1")] == ["aa", "whole"]


def test_unknown_dialects_are_refused(smsc: Smsc) -> None:
    """Neither another name nor another value is accepted."""
    for wrong in ({"colour": "red"}, {"text": "other"}, {"answer_id": "octal"}):
        assert http("POST", f"{smsc.url}/dialect", json.dumps(wrong).encode())[0] == 400

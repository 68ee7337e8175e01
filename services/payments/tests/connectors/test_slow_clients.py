"""The acquirer connector's HTTP servers under clients that hold connections open."""

import socket
import time
import uuid
from urllib.parse import urlsplit

import pytest
from diwan.payments.v1 import acquirer_pb2
from testkit.connectors import eventually, http

from .conftest import Acquiring, settled
from .slow_clients import HEAD, KINDS, slow_clients

pytestmark = pytest.mark.real

CLIENTS = 420


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "deaf"])
def test_callbacks_and_health_are_served_under_slow_clients(acquiring: Acquiring, kind: str) -> None:
    """A true callback from the attackers' own address gets its answer, and the other port is not affected."""
    with slow_clients(acquiring.callbacks_url, kind, CLIENTS):
        for _ in range(2):
            body = settled(charge_id := str(uuid.uuid4()))

            assert acquiring.call_back(body, acquiring.signed(body)) == 204
            assert http("GET", f"{acquiring.connector_url}/healthz")[0] == 200
            assert http("GET", f"{acquiring.connector_url}/readyz")[0] == 200
            acquiring.side.hears(acquirer_pb2.ChargeSettled, lambda event, i=charge_id: event.charge_id == i)


@pytest.mark.parametrize("kind", ["silent", "slow head", "deaf"])
def test_health_is_served_under_slow_clients_of_its_own_port(acquiring: Acquiring, kind: str) -> None:
    """Also those that read nothing of a long answer."""
    with slow_clients(acquiring.connector_url, kind, CLIENTS):
        for path in ("healthz", "readyz", "metrics"):
            assert http("GET", f"{acquiring.connector_url}/{path}")[0] == 200
        body = settled(str(uuid.uuid4()))
        assert acquiring.call_back(body, acquiring.signed(body)) == 204


def test_callbacks_are_served_to_another_address_under_attack(acquiring: Acquiring) -> None:
    """The attackers have another address than the acquirer."""
    with slow_clients(acquiring.callbacks_url, "slow head", CLIENTS, source="127.0.0.9"):
        body = settled(str(uuid.uuid4()))

        assert acquiring.call_back(body, acquiring.signed(body)) == 204


def test_slow_clients_are_cut_and_counted(acquiring: Acquiring) -> None:
    """A single silent client is cut after the limit for a head; the metric names server and reason."""
    line = 'diwan_connector_http_connections_cut_total{reason="head",server="callbacks"}'
    before = acquiring.metric(line)
    address = urlsplit(acquiring.callbacks_url)

    with socket.create_connection((address.hostname, address.port or 0), timeout=30) as client:
        assert client.recv(1) == b""

    eventually(lambda: acquiring.metric(line) > before)


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_callers_do_not_reach_health_and_metrics(acquiring: Acquiring, path: str) -> None:
    """The port of callbacks serves no metrics, and the port of metrics takes no callbacks."""
    address = acquiring.callbacks_url.removesuffix("/callbacks")

    assert http("GET", f"{address}{path}")[0] == 404
    assert http("POST", f"{acquiring.connector_url}/callbacks", b"{}")[0] == 404


def _exchange(acquiring: Acquiring, *parts: bytes) -> bytes:
    address = urlsplit(acquiring.callbacks_url)
    with socket.create_connection((address.hostname, address.port or 0), timeout=30) as client:
        for part in parts:
            client.sendall(part)
            time.sleep(0.01)
        return b"".join(iter(lambda: client.recv(4096), b""))


@pytest.mark.parametrize(
    ("parts", "status"),
    [
        ((HEAD + b"Content-Length: 65537\r\n\r\n",), b"413"),
        ((HEAD + b"Transfer-Encoding: chunked\r\n\r\n10001\r\n" + b"x" * 65537 + b"\r\n0\r\n\r\n",), b"413"),
        ((HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",), b"400"),
        ((HEAD + b"Transfer-Encoding: gzip\r\n\r\n",), b"501"),
        ((HEAD + b"Content-Length: -1\r\n\r\n",), b"400"),
        ((HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",), b"400"),
        ((b"POST /" + b"x" * 5000 + b" HTTP/1.1\r\n\r\n",), b"414"),
        ((HEAD + b"X-A: " + b"x" * 9000 + b"\r\n\r\n",), b"400"),
    ],
)
def test_a_request_beyond_the_limits_is_refused(
    acquiring: Acquiring, parts: tuple[bytes, ...], status: bytes
) -> None:
    """Too long a line, head or body, and transfer encodings that the server does not read."""
    assert _exchange(acquiring, *parts).split(b" ", 2)[1] == status

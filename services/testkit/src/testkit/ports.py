"""Ports for programs that tests start."""

from embedded.rabbit import free_ports


def free_port() -> int:
    """A free port of 127.0.0.1, reserved among the test processes of this machine."""
    (port,) = free_ports(1)
    return port

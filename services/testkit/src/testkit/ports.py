"""Ports for programs that tests start."""

from embedded.rabbit import free_ports


def free_port() -> int:
    """A port of 127.0.0.1 without a listener, given to no other process of this machine's tests meanwhile."""
    (port,) = free_ports(1)
    return port

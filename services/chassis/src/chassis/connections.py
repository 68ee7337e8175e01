"""Limits of the open connections of an HTTP server. Pure: connectors use it on eventlet, services on asyncio.

A full server closes the connection that is open the longest, of those that send their request or read their answer.
An honest client needs milliseconds for that, so that clients that hold connections open displace each other and not it.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

TOTAL: Final = 256
PER_ADDRESS: Final = 64


@dataclass(eq=False)
class Connection:
    """An open connection.

    Attributes:
        address: the client's address, without its port.
        abort: closes the connection; its server then calls `OpenConnections.remove`.
        busy: True while its request is handled; such a connection is not displaced.
    """

    address: str
    abort: Callable[[], None] = field(repr=False)
    busy: bool = False


class OpenConnections:
    """The open connections of one server, oldest first, at most `total` and at most `per_address` from one address."""

    def __init__(self, total: int = TOTAL, per_address: int = PER_ADDRESS) -> None:
        self._total = total
        self._per_address = per_address
        self._open: dict[Connection, None] = {}
        self._counts: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._open)

    def add(self, connection: Connection) -> bool:
        """Admit a connection, and displace another if a limit is reached; False if none can be displaced."""
        address = self._crowded(connection.address)
        if address is not None:
            oldest = next((each for each in self._open if not each.busy and each.address == address), None)
            if oldest is None:
                return False
            self.remove(oldest)
            oldest.abort()
        self._open[connection] = None
        self._counts[connection.address] += 1
        return True

    def remove(self, connection: Connection) -> None:
        """Forget a closed connection; nothing happens if it is not known any more."""
        if connection not in self._open:
            return
        del self._open[connection]
        self._counts[connection.address] -= 1
        if not self._counts[connection.address]:
            del self._counts[connection.address]

    def _crowded(self, address: str) -> str | None:
        """The address whose oldest connection has to make room, None if there is room."""
        if self._counts[address] >= self._per_address:
            return address
        if len(self._open) < self._total:
            return None
        return max(self._counts, key=lambda each: self._counts[each])

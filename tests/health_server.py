"""A process with the gRPC server of a service that has health only: `health_server.py PORT FOLDER`."""

import asyncio
import hashlib
import sys
from pathlib import Path

from chassis import log
from chassis.readiness import Readiness
from chassis.rpc.server import Server
from chassis.settings import ServiceSettings
from chassis.tokens import TokenKeys, generate_key


async def main(port: str, folder: str) -> None:
    """Serve until the process is killed."""
    log.setup("trial", "INFO", sys.stderr)
    readiness = Readiness()
    server = Server(
        "trial",
        ServiceSettings(
            broker_uri="amqp://localhost",
            store_uri="mongodb://localhost",
            store_database="trial",
            keys_dir=Path(folder),
            grpc_listen=f"127.0.0.1:{port}",
        ),
        services=[],
        errors=frozenset(),
        keys=TokenKeys.own("trial", generate_key()),
        hashed=lambda value, purpose: hashlib.sha256(purpose.encode() + value).hexdigest(),
        readiness=readiness,
    )
    await server.start()
    await readiness.check()
    sys.stdout.write(f"{server.port}\n")
    sys.stdout.flush()
    await server.wait()


asyncio.run(main(*sys.argv[1:]))

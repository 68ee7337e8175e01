"""Keys of services for hashing, sealing and authentication."""

import json
import secrets
from collections.abc import Sequence
from pathlib import Path

from joserfc.jwk import ECKey


def make_keys(folder: Path, services: Sequence[str]) -> None:
    """Generate keys of services in the layout that the chassis reads: `<folder>/<service>/…`."""
    private = {service: ECKey.generate_key("P-256") for service in services}
    for service, key in private.items():
        own = folder / service
        (own / "public" / "seal").mkdir(parents=True)
        (own / "hash.key").write_text(secrets.token_hex(32), encoding="utf-8")
        (own / "seal.jwk").write_text(json.dumps(key.as_dict(private=True)), encoding="utf-8")
        client = ECKey.generate_key("P-256")
        (own / "client.jwk").write_text(json.dumps(client.as_dict(private=True)), encoding="utf-8")
        for reader, other in private.items():
            public = json.dumps(other.as_dict(private=False))
            (own / "public" / "seal" / f"{reader}.jwk").write_text(public, encoding="utf-8")

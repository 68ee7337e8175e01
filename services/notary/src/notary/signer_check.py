"""The check of the signer's files at the start, without the libraries that render and sign documents."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from chassis.settings import WrongSetting
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.x509 import Certificate, load_pem_x509_certificate

T = TypeVar("T")


def check(folder: Path) -> None:
    """WrongSetting unless signer.key, signer.crt and ca.crt can be read and belong together."""
    key = _read(
        folder / "signer.key", "an unencrypted private key", lambda data: load_pem_private_key(data, None)
    )
    certificate = _certificate(folder / "signer.crt")
    authority = _certificate(folder / "ca.crt")
    written = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if key.public_key().public_bytes(*written) != certificate.public_key().public_bytes(*written):
        raise WrongSetting(f"{folder}/signer.crt is not the certificate of signer.key; provide a pair")
    if certificate.issuer != authority.subject:
        raise WrongSetting(f"{folder}/ca.crt did not issue signer.crt; provide the issuer's certificate")


def _certificate(path: Path) -> Certificate:
    return _read(path, "a certificate", load_pem_x509_certificate)


def _read(path: Path, what: str, load: Callable[[bytes], T]) -> T:
    try:
        return load(path.read_bytes())
    except OSError as error:
        why = f"cannot be read ({error.strerror or 'unreadable'})"
    # An unknown algorithm, or an encrypted key, raises others than ValueError.
    except Exception:  # noqa: BLE001 -- the file is wrong, whatever the parser raised
        why = "has another content"
    raise WrongSetting(f"{path} {why}; it must be {what} in PEM") from None

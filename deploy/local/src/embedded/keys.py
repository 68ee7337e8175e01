"""Keys, passwords and a test certificate authority; created once, readable only by their owner."""

import json
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from joserfc.jwk import ECKey

from embedded.files import write_whole
from embedded.layout import CONNECTORS, SERVICES, Layout

READERS = (*SERVICES, *CONNECTORS)
CLIENTS = (*SERVICES, "operator")
BROKER_USERS = (*SERVICES, *CONNECTORS, "registry", "operator")
SECRETS = ("bank-api-key", *(f"{name}-store" for name in SERVICES))
SMPP_PASSWORD_CHARACTERS = 8  # SMPP 3.4 allows no more
YEARS = timedelta(days=3650)


def make(layout: Layout) -> None:
    """Create the missing keys, passwords and certificates; existing ones are unchanged."""
    _passwords(layout.passwords)
    _jwks(layout.keys)
    _authority(layout.keys / "notary")


def _passwords(folder: Path) -> None:
    for name in (*BROKER_USERS, *SECRETS):
        if not (folder / name).exists():
            write_whole(folder / name, secrets.token_urlsafe(24))
    if not (folder / "smpp").exists():
        write_whole(folder / "smpp", secrets.token_hex(SMPP_PASSWORD_CHARACTERS // 2))


def _private_key(path: Path) -> ECKey:
    if not path.exists():
        key = ECKey.generate_key("P-256")
        write_whole(path, json.dumps(key.as_dict(private=True)))
    return ECKey.import_key(json.loads(path.read_text()))


def _jwks(folder: Path) -> None:
    for owner in {*READERS, *CLIENTS}:
        if not (folder / owner / "hash.key").exists():
            write_whole(folder / owner / "hash.key", secrets.token_hex(32))
    for reader in READERS:
        public = json.dumps(_private_key(folder / reader / "seal.jwk").as_dict(private=False))
        for owner in {*READERS, *CLIENTS, "registry"}:
            write_whole(folder / owner / "public" / "seal" / f"{reader}.jwk", public)
    for client in CLIENTS:
        public = json.dumps(_private_key(folder / client / "client.jwk").as_dict(private=False))
        write_whole(folder / "identity" / "clients" / f"{client}.jwk", public)
    _private_key(folder / "identity" / "signing.jwk")
    # The acquirer and its connector share the key that signs callbacks.
    if not (folder / "acquirer" / "callback.key").exists():
        write_whole(folder / "acquirer" / "callback.key", secrets.token_hex(32))


def _authority(folder: Path) -> None:
    """Create a test certificate authority and the notary's signing certificate, issued by it."""
    if (folder / "signer.crt").exists():
        return
    root_key, signer_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root_name, signer_name = _name("Diwan test authority"), _name("Diwan notary test seal")
    root = _certificate(root_name, root_name, root_key.public_key(), authority=True).sign(
        root_key, hashes.SHA256()
    )
    signer = _certificate(signer_name, root_name, signer_key.public_key(), authority=False).sign(
        root_key, hashes.SHA256()
    )
    write_whole(folder / "ca.crt", _pem(root))
    write_whole(folder / "signer.key", _key_pem(signer_key))
    write_whole(folder / "signer.crt", _pem(signer))


def _name(common: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "EG"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Diwan"),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
        ]
    )


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, *, authority: bool
) -> x509.CertificateBuilder:
    start = datetime.now(UTC) - timedelta(minutes=5)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + YEARS)
        .add_extension(
            x509.BasicConstraints(ca=authority, path_length=0 if authority else None), critical=True
        )
        .add_extension(
            x509.KeyUsage(
                digital_signature=not authority,
                content_commitment=not authority,
                key_cert_sign=authority,
                crl_sign=authority,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _key_pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()

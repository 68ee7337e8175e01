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
from platform_table.load import platform
from platform_table.table import IDENTITY, INTEGRATOR

from embedded.files import write_whole
from embedded.layout import Layout

SECRET_CHARACTERS = {"smsc-password": 8}
"""Longest secrets that a protocol allows: SMPP 3.4 has 8 characters for a password."""
YEARS = timedelta(days=3650)


def make(layout: Layout) -> None:
    """Create the missing keys, passwords and certificates; existing ones are unchanged."""
    _passwords(layout.passwords)
    _jwks(layout.keys)
    _authority(layout.keys / "notary")


def _passwords(folder: Path) -> None:
    table = platform()
    secrets_of = {f"{p.name}-{secret}": secret for p in table.programs.values() for secret in p.secrets}
    for name in (*table.users, *(f"{name}-store" for name in table.services), *secrets_of):
        if not (folder / name).exists():
            characters = SECRET_CHARACTERS.get(secrets_of.get(name, ""))
            write_whole(folder / name, secrets.token_urlsafe(24)[:characters])


def _private_key(path: Path) -> ECKey:
    if not path.exists():
        key = ECKey.generate_key("P-256")
        write_whole(path, json.dumps(key.as_dict(private=True)))
    return ECKey.import_key(json.loads(path.read_text()))


def _jwks(folder: Path) -> None:
    table = platform()
    owners = {*table.readers, *table.clients}
    for owner in owners:
        if not (folder / owner / "hash.key").exists():
            write_whole(folder / owner / "hash.key", secrets.token_hex(32))
    for reader in table.readers:
        public = json.dumps(_private_key(folder / reader / "seal.jwk").as_dict(private=False))
        for owner in {*owners, *table.names(INTEGRATOR)}:
            write_whole(folder / owner / "public" / "seal" / f"{reader}.jwk", public)
    for client in table.clients:
        public = json.dumps(_private_key(folder / client / "client.jwk").as_dict(private=False))
        write_whole(folder / IDENTITY / "clients" / f"{client}.jwk", public)
    _private_key(folder / IDENTITY / "signing.jwk")
    # A program that is called from outside shares with its caller the key that signs callbacks.
    for program in table.programs.values():
        if program.reached_by and not (folder / program.name / "callback.key").exists():
            write_whole(folder / program.name / "callback.key", secrets.token_hex(32))


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

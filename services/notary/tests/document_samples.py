"""A sample document, and a test authority with a signer."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from notary.catalogue import load
from notary.document_renderer import Document, Party, SignerFiles
from notary.model.content import Kind

SPECIAL = "للوكيل استلام عقد الشقة رقم ١٢ بالدور الثالث وتسليمه إليّ شخصيًا."
DOCUMENT = Document(
    number="PA-2026-7Q4M2K9D",
    verification_code="7Q4M2K9DABCD",
    verify_url="https://verify.diwan.example/poa",
    kind=load().wordings[Kind.GENERAL].title,
    principal=Party("أحمد محمود إبراهيم الشافعي", "28503242474090"),
    agent=Party("فاطمة عبد الرحمن مصطفى السيد", "29011061909427"),
    terms=load().wordings[Kind.GENERAL].terms,
    special_terms=(SPECIAL,),
    governorate="01",
    office="مكتب توثيق مصر الجديدة",
    reviewer_office="مكتب توثيق شمال القاهرة",
    issue_time=datetime(2026, 11, 22, 23, 30, tzinfo=UTC),
    content_digest="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
)
USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


@dataclass
class Authority:
    """A certificate authority that issued one signer's certificate."""

    files: SignerFiles


def make_authority(folder):
    """Create an authority; write signer.key, signer.crt and ca.crt."""
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca = _certificate("Test authority", ca_key.public_key(), "Test authority", ca_key, authority=True)
    crt = _certificate("Test signer", key.public_key(), "Test authority", ca_key, authority=False)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "signer.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    (folder / "signer.crt").write_bytes(crt.public_bytes(serialization.Encoding.PEM))
    (folder / "ca.crt").write_bytes(ca.public_bytes(serialization.Encoding.PEM))
    return Authority(SignerFiles.of(folder))


def _certificate(subject, public_key, issuer, issuer_key, *, authority):
    now = datetime.now(UTC)
    usage = dict.fromkeys(USAGES, False)
    usage |= {"key_cert_sign": True, "crl_sign": True} if authority else {"content_commitment": True}
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(
            x509.BasicConstraints(ca=authority, path_length=0 if authority else None), critical=True
        )
        .add_extension(x509.KeyUsage(**usage), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )

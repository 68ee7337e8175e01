"""The files of the signer, for the process that signs and for the one that starts it."""

from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key


@dataclass(frozen=True)
class SignerFiles:
    """PEM files of the signing key (not encrypted), its certificate, and the issuing authority's certificate."""

    key: Path
    certificate: Path
    authority: Path

    @classmethod
    def of(cls, folder: Path) -> "SignerFiles":
        """The files in a keys folder: signer.key, signer.crt, ca.crt."""
        return cls(folder / "signer.key", folder / "signer.crt", folder / "ca.crt")

    def check(self) -> None:
        """Raise ValueError with the folder's name if the files cannot be used; without the signing library."""
        try:
            key = load_pem_private_key(self.key.read_bytes(), password=None)
            certificate = x509.load_pem_x509_certificate(self.certificate.read_bytes())
            x509.load_pem_x509_certificate(self.authority.read_bytes())
        except (OSError, TypeError, ValueError, UnsupportedAlgorithm) as error:
            raise ValueError(f"no usable key and certificate in {self.key.parent}") from error
        if key.public_key() != certificate.public_key():
            raise ValueError(f"key and certificate in {self.key.parent} do not belong together")

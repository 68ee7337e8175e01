"""The platform's signature on a document: PAdES B-B, over every byte of the file."""

import io
from dataclasses import dataclass
from pathlib import Path

from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign import signers
from pyhanko.sign.fields import SigSeedSubFilter

from notary.document_renderer import wording

FIELD = "DiwanSignature"


@dataclass(frozen=True)
class SignerFiles:
    """PEM files of the key that signs (not encrypted), its certificate, and the authority above it."""

    key: Path
    certificate: Path
    authority: Path

    @classmethod
    def of(cls, folder: Path) -> "SignerFiles":
        """The files as they lie in a keys folder: signer.key, signer.crt, ca.crt."""
        return cls(folder / "signer.key", folder / "signer.crt", folder / "ca.crt")

    def load(self) -> signers.SimpleSigner:
        """Read them; ValueError names the folder when they cannot be used."""
        loaded = signers.SimpleSigner.load(  # type: ignore[no-untyped-call]  # pyHanko leaves it untyped
            str(self.key), str(self.certificate), ca_chain_files=[str(self.authority)]
        )
        signer: signers.SimpleSigner | None = loaded
        if signer is None:
            raise ValueError(f"no usable key and certificate in {self.key.parent}")
        return signer


def sign(unsigned: bytes, signer: signers.SimpleSigner) -> bytes:
    """The PDF with a PAdES B-B signature added as its last revision."""
    metadata = signers.PdfSignatureMetadata(
        field_name=FIELD,
        md_algorithm="sha256",
        subfilter=SigSeedSubFilter.PADES,
        reason=wording.catalogue()["signature"]["reason"],
        certify=True,
    )
    signed = signers.sign_pdf(IncrementalPdfFileWriter(io.BytesIO(unsigned)), metadata, signer=signer)
    content: bytes = signed.getvalue()
    return content

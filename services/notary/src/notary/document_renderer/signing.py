"""The platform's signature on a document: PAdES B-B, over the whole file."""

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
    """PEM files of the signing key (not encrypted), its certificate, and the issuing authority's certificate."""

    key: Path
    certificate: Path
    authority: Path

    @classmethod
    def of(cls, folder: Path) -> "SignerFiles":
        """The files in a keys folder: signer.key, signer.crt, ca.crt."""
        return cls(folder / "signer.key", folder / "signer.crt", folder / "ca.crt")

    def load(self) -> signers.SimpleSigner:
        """Read them; ValueError names the folder if they cannot be used."""
        signer: signers.SimpleSigner | None
        signer = signers.SimpleSigner.load(  # type: ignore[no-untyped-call]  # pyHanko leaves it untyped
            str(self.key), str(self.certificate), ca_chain_files=[str(self.authority)]
        )
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

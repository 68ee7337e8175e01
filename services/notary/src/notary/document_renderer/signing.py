"""The platform's signature on a document: PAdES B-B, over the whole file."""

import io

from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign import signers
from pyhanko.sign.fields import SigSeedSubFilter

from notary.document_renderer import wording
from notary.document_renderer.signer_files import SignerFiles

FIELD = "DiwanSignature"


def load(files: SignerFiles) -> signers.SimpleSigner:
    """The signer; ValueError names the folder if the files cannot be used."""
    signer: signers.SimpleSigner | None
    signer = signers.SimpleSigner.load(  # type: ignore[no-untyped-call]  # pyHanko leaves it untyped
        str(files.key), str(files.certificate), ca_chain_files=[str(files.authority)]
    )
    if signer is None:
        raise ValueError(f"no usable key and certificate in {files.key.parent}")
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

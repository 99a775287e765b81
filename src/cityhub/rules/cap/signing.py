"""Signatures of CAP messages: made with the hub's own key, and those of others looked at.

Source: W3C XML Signature 1.1, enveloped, with exclusive canonicalization; CAP 1.2, clause 3.3.2.2 (it names XML Signature).
"""

from __future__ import annotations

from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from lxml import etree
from signxml.algorithms import DigestAlgorithm, SignatureMethod
from signxml.exceptions import SignXMLException
from signxml.signer import XMLSigner
from signxml.verifier import SignatureConfiguration, XMLVerifier

from cityhub.model.errors import BadRequestData
from cityhub.rules.cap.message import Message
from cityhub.rules.cap.reading import SIGNATURE, message_of
from cityhub.rules.cap.safe_xml import read_tree
from cityhub.rules.cap.writing import document_of, tree_of

EXCLUSIVE: Final = "http://www.w3.org/2001/10/xml-exc-c14n#"
Key = RSAPrivateKey | EllipticCurvePrivateKey
_TRUSTED: Final = SignatureConfiguration(
    location="./",
    signature_methods=frozenset((
        SignatureMethod.RSA_SHA256, SignatureMethod.RSA_SHA384, SignatureMethod.RSA_SHA512,
        SignatureMethod.ECDSA_SHA256, SignatureMethod.ECDSA_SHA384, SignatureMethod.ECDSA_SHA512,
    )),
    digest_algorithms=frozenset((DigestAlgorithm.SHA256, DigestAlgorithm.SHA384, DigestAlgorithm.SHA512)),
)  # fmt: skip


class Signer:
    """Signs with one key.

    Attributes:
        certificate: The certificate, which goes with each signature.

    Args:
        key: An RSA or elliptic-curve key.
        certificate: Of that key.
    """

    def __init__(self, key: Key, certificate: x509.Certificate) -> None:
        self._key = key
        self.certificate = certificate
        self._method = SignatureMethod.RSA_SHA256 if isinstance(key, RSAPrivateKey) else SignatureMethod.ECDSA_SHA256

    def sign(self, message: Message) -> bytes:
        """The message as a signed XML document. Raises BadRequestData for a message that is not right."""
        signer = XMLSigner(signature_algorithm=self._method, digest_algorithm=DigestAlgorithm.SHA256, c14n_algorithm=EXCLUSIVE)
        return document_of(signer.sign(tree_of(message), key=self._key, cert=[self.certificate]))


def is_signed(root: etree._Element) -> bool:
    """Whether an element has a signature among its children."""
    return root.find(SIGNATURE) is not None


def verified_message(content: bytes, certificate: x509.Certificate) -> Message:
    """The message of a document, exactly as it was signed with the key of a certificate.

    What is read is what the signature covers, not the document around it.

    Raises:
        BadRequestData: It is no right CAP message, has no signature, or another key's, or was changed after it was signed.
        TooLarge: It is larger than the bounds.
    """
    root = read_tree(content)
    if not is_signed(root):
        raise BadRequestData("The message has no signature; right would be one of the key whose certificate is known here")
    try:
        result: Any = XMLVerifier().verify(root, x509_cert=certificate, expect_config=_TRUSTED)
    except (SignXMLException, ValueError, TypeError, etree.LxmlError) as error:
        raise BadRequestData(f"The message's signature does not hold: {str(error)[:300] or type(error).__name__}") from None
    if result.signed_xml is None:
        raise BadRequestData("The message's signature covers no XML; right would be one over the whole message")
    return message_of(result.signed_xml)

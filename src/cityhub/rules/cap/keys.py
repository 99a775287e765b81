"""The key that signs warnings: from files that the settings name, else one of the hub's own for development.

The key that is made here proves nothing to anybody else: a hub that publishes warnings gets a key whose certificate its readers
trust.
"""

from __future__ import annotations

import logging
import os
from datetime import timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.x509.oid import NameOID

from cityhub.model.time import Clock
from cityhub.rules.cap.signing import Signer

FOLDER: Final = "warnings"
KEY: Final = "development-key.pem"
CERTIFICATE: Final = "development-certificate.pem"
LEAST_RSA_BITS: Final = 2048
_LIFE: Final = timedelta(days=3650)

log = logging.getLogger(__name__)


def signer_of(key: Path, certificate: Path) -> Signer:
    """The signer of a key and its certificate, PEM files without a password.

    Raises:
        RuntimeError: They cannot be read or do not belong together; says which file and what would be right.
    """
    try:
        private = serialization.load_pem_private_key(key.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise RuntimeError(f"The key of warnings {key} cannot be read ({error}); right would be a PEM file without a password") from None
    is_large_rsa = isinstance(private, RSAPrivateKey) and private.key_size >= LEAST_RSA_BITS
    if not is_large_rsa and not isinstance(private, ec.EllipticCurvePrivateKey):
        raise RuntimeError(f"The key of warnings {key} must be an RSA key of {LEAST_RSA_BITS} bits or more, or an elliptic-curve key")
    assert isinstance(private, RSAPrivateKey | ec.EllipticCurvePrivateKey)
    return Signer(private, _certificate_of(certificate, _public(private.public_key())))


def _certificate_of(path: Path, public: bytes) -> x509.Certificate:
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        raise RuntimeError(f"The certificate of warnings {path} cannot be read ({error}); right would be a PEM file") from None
    if _public(certificate.public_key()) != public:
        raise RuntimeError(f"The certificate of warnings {path} belongs to another key than the one that is given")
    return certificate


def _public(key: object) -> bytes:
    written: bytes = key.public_bytes(  # type: ignore[attr-defined]
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return written


def development_signer(data: Path, clock: Clock) -> Signer:
    """The signer of the hub's own key in its data folder, which is made when it is not there. Says in the log that nobody trusts it."""
    folder = data / FOLDER
    key, certificate = folder / KEY, folder / CERTIFICATE
    if not (key.exists() and certificate.exists()):
        folder.mkdir(parents=True, exist_ok=True)
        _make(key, certificate, clock)
    log.warning("warnings are signed with a key for development (%s); 'warning_key' and 'warning_certificate' name the real one", key)
    return signer_of(key, certificate)


def _make(key: Path, certificate: Path, clock: Clock) -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "CityHub development key, trusted by nobody")])
    now = clock.now()
    builder = x509.CertificateBuilder(name, name, private.public_key(), x509.random_serial_number(), now - timedelta(days=1), now + _LIFE)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    made = builder.sign(private, hashes.SHA256())
    plain = serialization.NoEncryption()
    _write(key, private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
    _write(certificate, made.public_bytes(serialization.Encoding.PEM))


def _write(path: Path, content: bytes) -> None:
    """A file that only its owner may read, from its first moment on."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)

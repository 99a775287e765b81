"""Signatures: those of our own hold, changed ones and strangers' do not, and the key for development is nobody else's to read."""

from __future__ import annotations

import logging
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from lxml import etree

from cityhub.model.errors import BadRequestData
from cityhub.model.time import SystemClock
from cityhub.rules.cap.keys import development_signer, signer_of
from cityhub.rules.cap.message import NAMESPACE, Info, Message
from cityhub.rules.cap.reading import SIGNATURE, read_message
from cityhub.rules.cap.signing import Signer, verified_message
from tests.unit.rules.cap.test_messages import holds

MESSAGE = Message(
    "500114-w1", "a.example", "2026-07-01T08:00:00+08:00", "Actual", "Alert", "Public",
    info=[Info(["Met"], "暴雨", "Immediate", "Severe", "Observed", "zh-CN", headline="暴雨橙色预警")],
)  # fmt: skip


def signer(folder: Path) -> Signer:
    return development_signer(folder, SystemClock())


def test_an_own_signature_holds_and_so_does_the_form(tmp_path: Path) -> None:
    own = signer(tmp_path)
    document = own.sign(MESSAGE)
    assert verified_message(document, own.certificate) == MESSAGE
    assert read_message(document) == MESSAGE
    holds(document)
    signature = etree.fromstring(document).find(SIGNATURE)
    algorithms = [one.get("Algorithm") for one in signature.iter() if one.get("Algorithm")]
    assert algorithms == [
        "http://www.w3.org/2001/10/xml-exc-c14n#", "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256",
        "http://www.w3.org/2000/09/xmldsig#enveloped-signature", "http://www.w3.org/2001/10/xml-exc-c14n#",
        "http://www.w3.org/2001/04/xmlenc#sha256",
    ]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "words"), [
    ("暴雨橙色预警", "暴雨红色预警", "does not hold"),
    ("<identifier>500114-w1</identifier>", "<identifier>500114-w2</identifier>", "does not hold"),
    ("Reference URI=\"\"", "Reference URI=\"#nothing\"", "does not hold"),
])  # fmt: skip
def test_what_was_changed_after_signing_is_refused(tmp_path: Path, old: str, new: str, words: str) -> None:
    own = signer(tmp_path)
    document = own.sign(MESSAGE).decode()
    assert old in document
    with pytest.raises(BadRequestData, match=words):
        verified_message(document.replace(old, new).encode(), own.certificate)


def test_no_signature_and_another_keys_are_refused(tmp_path: Path) -> None:
    from cityhub.rules.cap.writing import write_message

    own, other = signer(tmp_path / "a"), signer(tmp_path / "b")
    with pytest.raises(BadRequestData, match="has no signature"):
        verified_message(write_message(MESSAGE), own.certificate)
    with pytest.raises(BadRequestData, match="does not hold"):
        verified_message(other.sign(MESSAGE), own.certificate)


def test_a_signed_part_does_not_vouch_for_what_is_around_it(tmp_path: Path) -> None:
    """A signature that is taken from a true message into another one (wrapping)."""
    own = signer(tmp_path)
    true = etree.fromstring(own.sign(MESSAGE))
    false = etree.fromstring(own.sign(MESSAGE).replace("暴雨橙色预警".encode(), "平安无事".encode()))
    false.replace(false.find(SIGNATURE), true.find(SIGNATURE))
    note = etree.SubElement(false, f"{{{NAMESPACE}}}note")
    note.append(etree.fromstring(own.sign(MESSAGE)))
    with pytest.raises(BadRequestData):
        verified_message(etree.tostring(false), own.certificate)


def test_the_key_for_development_is_its_owners_alone_and_stays(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        first = signer(tmp_path)
    assert "a key for development" in caplog.text
    key = tmp_path / "warnings/development-key.pem"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert signer(tmp_path).certificate == first.certificate


def written(path: Path, key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey, *, for_other: bool = False) -> Path:
    """A file with a key and a certificate."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    owner = ec.generate_private_key(ec.SECP256R1()) if for_other else key
    builder = x509.CertificateBuilder(name, name, owner.public_key(), 1, now - timedelta(days=1), now + timedelta(days=1))
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    certificate = builder.sign(owner, None if isinstance(owner, ed25519.Ed25519PrivateKey) else hashes.SHA256())
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(pem + certificate.public_bytes(serialization.Encoding.PEM))
    return path


def test_an_rsa_key_of_the_settings_signs(tmp_path: Path) -> None:
    file = written(tmp_path / "key.pem", rsa.generate_private_key(65537, 2048))
    own = signer_of(file, file)
    document = own.sign(MESSAGE)
    assert b"rsa-sha256" in document
    assert verified_message(document, own.certificate) == MESSAGE


def test_keys_that_cannot_be_used_are_told_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="cannot be read"):
        signer_of(tmp_path / "none.pem", tmp_path / "none.pem")
    weak = written(tmp_path / "weak.pem", rsa.generate_private_key(65537, 1024))
    with pytest.raises(RuntimeError, match="2048 bits"):
        signer_of(weak, weak)
    other = written(tmp_path / "ed.pem", ed25519.Ed25519PrivateKey.generate())
    with pytest.raises(RuntimeError, match="elliptic-curve"):
        signer_of(other, other)
    mixed = written(tmp_path / "mixed.pem", ec.generate_private_key(ec.SECP256R1()), for_other=True)
    with pytest.raises(RuntimeError, match="another key"):
        signer_of(mixed, mixed)

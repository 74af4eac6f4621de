"""A certificate of the rehearsal's own, which vouches for itself."""

import datetime
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def certified(directory: Path, *, host: str) -> tuple[Path, Path]:
    """Writes a certificate for the address, good for a day, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    certificate, key_file = directory / "server.pem", directory / "server.key"
    certificate.write_bytes(_signed(key, host=host).public_bytes(serialization.Encoding.PEM))
    key_file.touch(mode=0o600)
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate, key_file


def _signed(key: ec.EllipticCurvePrivateKey, *, host: str) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "the rehearsal's database")])
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))])
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(address, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )

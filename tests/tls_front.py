"""TLS in front of the tests' PostgreSQL, whose build has none: a certificate authority, and a server that unwraps."""

import ipaddress
import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

SSL_REQUEST = 80877103
A_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """A certificate authority of a test's own."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @classmethod
    def new(cls) -> "Authority":
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name("an authority of the tests")
        usage = x509.BasicConstraints(ca=True, path_length=None)
        return cls(key=key, certificate=_builder(name, name, key).add_extension(usage, critical=True).sign(key, _SHA))

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(Encoding.PEM).decode()

    def certify(self, host: str, *, directory: Path) -> ssl.SSLContext:
        """What a server that calls itself `host` needs; files go to the directory."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([x509.DNSName(host), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        builder = _builder(_name(host), self.certificate.subject, key).add_extension(names, critical=False)
        file = directory / f"{host}.pem"
        file.write_bytes(
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            + builder.sign(self.key, _SHA).public_bytes(Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context


_SHA = hashes.SHA256()


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(subject_name=subject, issuer_name=issuer, public_key=key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    return builder.not_valid_before(now - A_DAY).not_valid_after(now + A_DAY)


@contextmanager
def tls_front(unix_socket: Path, context: ssl.SSLContext | None) -> Iterator[int]:
    """Serves the PostgreSQL behind `unix_socket` on a loopback port; without a context it says that it has no TLS."""

    class Handler(BaseRequestHandler):
        def handle(self) -> None:
            client: socket.socket = self.request
            while struct.unpack("!ii", client.recv(8, socket.MSG_WAITALL))[1] != SSL_REQUEST:
                client.sendall(b"N")  # it asked for another kind of encryption first
            client.sendall(b"S" if context else b"N")
            with suppress(OSError), socket.socket(socket.AF_UNIX) as server:  # a client that trusts us not hangs up
                if context is not None:
                    server.connect(str(unix_socket))
                    with context.wrap_socket(client, server_side=True) as wrapped:
                        _join(wrapped, server)

    with ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def _join(one: socket.socket, other: socket.socket) -> None:
    """Passes bytes both ways until both are through."""
    back = threading.Thread(target=_pass_on, args=(other, one))
    back.start()
    _pass_on(one, other)
    back.join()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)

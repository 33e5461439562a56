"""Keys and certificates for CURVE."""

from __future__ import annotations

from .certificates import Certificate, read_certificate, write_certificates
from .keys import KeyPair, as_key, curve_public, keygen, z85_decode, z85_encode

__all__ = [
    "Certificate",
    "KeyPair",
    "as_key",
    "curve_public",
    "keygen",
    "read_certificate",
    "write_certificates",
    "z85_decode",
    "z85_encode",
]

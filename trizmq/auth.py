"""Who may come in: authenticators, what they are asked and answer; keys and certificates for CURVE; ZAP."""

from __future__ import annotations

from .authentication import Allow, AuthenticationRequest, Authenticator, Decision, Deny
from .authenticators import addresses, all_of, allow_any, allowed_keys, allowed_principals, certificates, passwords, zap
from .certificates import Certificate, read_certificate, write_certificates
from .errors import ZapError
from .keys import KeyPair, as_key, curve_public, keygen, z85_decode, z85_encode
from .zap import serve_zap

__all__ = [
    "Allow",
    "AuthenticationRequest",
    "Authenticator",
    "Certificate",
    "Decision",
    "Deny",
    "KeyPair",
    "ZapError",
    "addresses",
    "all_of",
    "allow_any",
    "allowed_keys",
    "allowed_principals",
    "as_key",
    "certificates",
    "curve_public",
    "keygen",
    "passwords",
    "read_certificate",
    "serve_zap",
    "write_certificates",
    "z85_decode",
    "z85_encode",
    "zap",
]

"""CURVE's cryptography, from libsodium through PyNaCl: the only module that knows which library it is."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backend:
    """NaCl's crypto_box with keys computed beforehand, crypto_secretbox, and the public keys of secret ones.

    Boxes are without NaCl's leading zeros: 16 bytes longer than what is in them. Functions that open take any bytes-like.
    """

    public_key: Callable[[bytes], bytes]  #: of a secret key
    shared_key: Callable[[bytes, bytes], bytes]  #: (their public key, our secret key) -> crypto_box_beforenm
    seal: Callable[[bytes, bytes, bytes], bytes]  #: (text, nonce, shared key) -> crypto_box_afternm
    open: Callable[[bytes | memoryview, bytes, bytes], bytes]  #: (box, nonce, shared key) -> crypto_box_open_afternm
    secret_seal: Callable[[bytes, bytes, bytes], bytes]  #: (text, nonce, key) -> crypto_secretbox
    error: type[Exception]  #: raised where a box does not open, or a public key is of small order


@functools.cache
def load() -> Backend:
    """The backend.

    Raises:
        ImportError: the library is not installed. The text says how to install it.
    """
    try:
        from nacl import bindings, exceptions
    except ImportError as error:
        raise ImportError("CURVE needs PyNaCl, which is not installed: pip install 'trizmq[curve]'") from error
    return Backend(
        public_key=bindings.crypto_scalarmult_base,
        shared_key=bindings.crypto_box_beforenm,
        seal=bindings.crypto_box_afternm,
        # It joins zeros and the box, so it takes any buffer, though it is annotated with bytes.
        open=bindings.crypto_box_open_afternm,  # type: ignore[arg-type]
        secret_seal=bindings.crypto_secretbox,
        error=exceptions.CryptoError,
    )

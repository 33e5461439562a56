"""CURVE's cryptography, from libsodium through PyNaCl: the only module that knows which library it is."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from threading import get_ident
from typing import Any, cast

#: (text, nonce, shared key) -> crypto_box_afternm
Seal = Callable[[bytes, bytes, bytes], bytes]
#: (box, nonce, shared key) -> crypto_box_open_afternm
Open = Callable[[bytes | memoryview, bytes, bytes], bytes]

#: (box, nonce, shared key) -> the first octet of what is in it, and the others
OpenFrame = Callable[[bytes | memoryview, bytes, bytes], tuple[int, bytes]]

# Boxes up to this size are made in one place per thread, and copied out of it.
_SCRATCH = 128 * 1024
_MAC = 16


@dataclass(frozen=True, slots=True)
class Backend:
    """NaCl's crypto_box with keys computed beforehand, crypto_secretbox, and the public keys of secret ones.

    Boxes are without NaCl's leading zeros: 16 bytes longer than what is in them. Functions that open take any bytes-like.
    """

    public_key: Callable[[bytes], bytes]  #: of a secret key
    shared_key: Callable[[bytes, bytes], bytes]  #: (their public key, our secret key) -> crypto_box_beforenm
    seal: Seal
    open: Open
    traffic: Callable[[], tuple[Seal, OpenFrame]]  #: the same two for the frames of one connection
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
    # This joins zeros and the box, so it takes any buffer, though it is annotated with bytes.
    seal, unseal = bindings.crypto_box_afternm, cast("Open", bindings.crypto_box_open_afternm)
    return Backend(
        public_key=bindings.crypto_scalarmult_base,
        shared_key=bindings.crypto_box_beforenm,
        seal=seal,
        open=unseal,
        traffic=functools.partial(_traffic, seal, unseal, exceptions.CryptoError),
        secret_seal=bindings.crypto_secretbox,
        error=exceptions.CryptoError,
    )


def _traffic(seal: Seal, unseal: Open, error: type[Exception]) -> tuple[Seal, OpenFrame]:
    """PyNaCl's own functions pad, allocate and check for each box: of a small one that is more than half of the time.

    So these call what is below them, which PyNaCl does not promise to keep: without it, its own functions do.
    """

    def open_plainly(box: bytes | memoryview, nonce: bytes, key: bytes) -> tuple[int, bytes]:
        text = unseal(box, nonce, key)
        return text[0], text[1:]

    sodium = _sodium()
    if sodium is None:
        return seal, open_plainly
    scratch, view = _scratch(get_ident())
    from_buffer = sodium.ffi.from_buffer
    seal_easy, open_easy = sodium.lib.crypto_box_easy_afternm, sodium.lib.crypto_box_open_easy_afternm

    def seal_fast(text: bytes, nonce: bytes, key: bytes) -> bytes:
        size = len(text)
        if size > _SCRATCH - _MAC or len(nonce) != 24 or len(key) != 32:
            return seal(text, nonce, key)
        seal_easy(scratch, text, size, nonce, key)  # fails for what is longer than 256 GiB only
        return view[: size + _MAC]  # type: ignore[no-any-return]

    def open_fast(box: bytes | memoryview, nonce: bytes, key: bytes) -> tuple[int, bytes]:
        size = len(box)
        if not _MAC < size <= _SCRATCH or len(nonce) != 24 or len(key) != 32:
            return open_plainly(box, nonce, key)
        if open_easy(scratch, box if type(box) is bytes else from_buffer(box), size, nonce, key):
            raise error("the box is not genuine")
        return view[0][0], view[1 : size - _MAC]

    return seal_fast, open_fast


@functools.lru_cache(maxsize=16)
def _scratch(thread: int) -> tuple[Any, Any]:
    """Where boxes are made: each thread has its own, because meanwhile others run. A connection belongs to one of them."""
    sodium = _sodium()
    scratch = sodium.ffi.new("unsigned char[]", _SCRATCH)
    return scratch, sodium.ffi.buffer(scratch)


def _sodium() -> Any:
    try:
        from nacl import _sodium

        _sodium.ffi, _sodium.lib.crypto_box_easy_afternm, _sodium.lib.crypto_box_open_easy_afternm  # noqa: B018
    except (ImportError, AttributeError):
        return None
    return _sodium

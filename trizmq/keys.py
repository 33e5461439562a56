"""The keys of CURVE: made, and told as text (Z85, RFC 32). An error never shows what may be part of a secret key."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final

_DIGITS: Final = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
_VALUES: Final = {digit: value for value, digit in enumerate(_DIGITS.decode("ascii"))}
_KEY_SIZE: Final = 32
_KEY_CHARACTERS: Final = 40


@dataclass(frozen=True, slots=True, repr=False)
class KeyPair:
    """The two keys of one party, 32 bytes each. The secret one is not shown by ``repr``.

    Raises:
        TypeError: one is not bytes.
        ValueError: one is not 32 bytes, or the public key is not the one that belongs to the secret key.
    """

    public: bytes  #: to be given to peers
    secret: bytes  #: to be kept

    def __post_init__(self) -> None:
        for name, key in (("public", self.public), ("secret", self.secret)):
            if not isinstance(key, bytes):
                raise TypeError(
                    f"the {name} key of a pair is bytes, not {type(key).__name__}; as_key() makes them of text"
                )
            if len(key) != _KEY_SIZE:
                raise ValueError(f"the {name} key of a pair is {_KEY_SIZE} bytes; as_key() makes them from Z85 text")
        # It takes a millisecond or two, once for a pair. Unchecked, a pair the wrong way round would show its secret key
        # wherever it is to show the public one: in its repr, and in the file that is given to others.
        if _public_key(self.secret) != self.public:
            swapped = ": they are the wrong way round" if _public_key(self.public) == self.secret else ""
            raise ValueError(f"the public key of a pair is not the one that belongs to its secret key{swapped}")

    def __repr__(self) -> str:
        return f"KeyPair(public_z85={self.public_z85!r})"

    @property
    def public_z85(self) -> str:
        """The public key as 40 characters."""
        return z85_encode(self.public)

    @property
    def secret_z85(self) -> str:
        """The secret key as 40 characters."""
        return z85_encode(self.secret)


def keygen() -> KeyPair:
    """Make a new pair of keys, from the operating system's random numbers. Needs no extra."""
    secret = os.urandom(_KEY_SIZE)
    pair = object.__new__(KeyPair)  # without the check, which would take as long again
    object.__setattr__(pair, "public", _public_key(secret))
    object.__setattr__(pair, "secret", secret)
    return pair


def curve_public(secret: bytes | str) -> bytes:
    """The public key, 32 bytes, that belongs to a secret key given as 32 bytes or as 40 characters of Z85.

    Raises:
        ValueError: it is no key.
    """
    return _public_key(as_key(secret))


def _public_key(secret: bytes) -> bytes:
    """X25519 of a secret key and the base point 9 (RFC 7748, section 5), as libsodium's crypto_scalarmult_base.

    In Python, so that keys can be made and read without the extra; connections never come here. The steps are the same for
    every secret; the time of one step is that of CPython's numbers, which are not made to hide what they hold. That is good
    enough for making a key, and would not be for using it with strangers.
    """
    prime = 2**255 - 19
    scalar = int.from_bytes(secret, "little") & (2**254 - 8) | 2**254
    x2, z2, x3, z3, swapped = 1, 0, 9, 1, 0
    for position in reversed(range(255)):
        bit = scalar >> position & 1
        mask = -(swapped ^ bit)
        swapped = bit
        x = mask & (x2 ^ x3)
        z = mask & (z2 ^ z3)
        x2, x3, z2, z3 = x2 ^ x, x3 ^ x, z2 ^ z, z3 ^ z
        a, b = x2 + z2, x2 - z2
        aa, bb = a * a % prime, b * b % prime
        e = aa - bb
        da, cb = (x3 - z3) * a % prime, (x3 + z3) * b % prime
        x3, z3 = (da + cb) ** 2 % prime, 9 * (da - cb) ** 2 % prime
        x2, z2 = aa * bb % prime, e * (aa + 121665 * e) % prime
    # Bit 0 of the scalar is 0, so nothing is left to be swapped back.
    return (x2 * pow(z2, prime - 2, prime) % prime).to_bytes(_KEY_SIZE, "little")


def as_key(value: bytes | str) -> bytes:
    """A key, public or secret, as its 32 bytes: from these themselves or from 40 characters of Z85, ``str`` or ``bytes``.

    Raises:
        TypeError: it is neither ``bytes`` nor ``str``.
        ValueError: it is no key. The text says why, and does not show it.
    """
    if not isinstance(value, (bytes, str)):
        raise TypeError(f"a key is 32 bytes, or 40 characters of Z85 as str or bytes, not {type(value).__name__}")
    if isinstance(value, bytes) and len(value) == _KEY_SIZE:
        key = value
    elif len(value) == _KEY_CHARACTERS:
        key = z85_decode(value)
    else:
        unit = "bytes" if isinstance(value, bytes) else "characters"
        raise ValueError(f"a key is 32 bytes, or 40 characters of Z85; this has {len(value)} {unit}")
    if not any(key):
        raise ValueError("a key of zeros only is no key: it is what libzmq has where none was set")
    return key


def z85_encode(data: bytes) -> str:
    """Bytes as Z85 text: five characters for every four bytes.

    Raises:
        ValueError: their number is not a multiple of four; Z85 has no padding.
    """
    if len(data) % 4:
        raise ValueError(f"Z85 encodes bytes in groups of four, and {len(data)} is not a multiple of four")
    digits = bytearray()
    for at in range(0, len(data), 4):
        number = int.from_bytes(data[at : at + 4], "big")
        digits += bytes(_DIGITS[number // weight % 85] for weight in (52200625, 614125, 7225, 85, 1))
    return digits.decode("ascii")


def z85_decode(text: str | bytes) -> bytes:
    """The bytes that Z85 text stands for: four for every five characters.

    Raises:
        ValueError: the length, a character or a group of five is impossible. The text says where, and does not show it.
    """
    if len(text) % 5:
        raise ValueError(f"Z85 text has characters in groups of five, and {len(text)} is not a multiple of five")
    digits = (
        text if isinstance(text, str) else text.decode("latin-1")
    )  # one character for one byte, also for wrong ones
    data = bytearray()
    for start in range(0, len(digits), 5):
        number = 0
        for at in range(start, start + 5):
            value = _VALUES.get(digits[at])
            if value is None:
                raise ValueError(f"the character at position {at} of {len(digits)} is none of the 85 that Z85 has")
            number = number * 85 + value
        if number >> 32:
            raise ValueError(f"the characters at positions {start} to {start + 4} stand for more than 32 bits hold")
        data += number.to_bytes(4, "big")
    return bytes(data)

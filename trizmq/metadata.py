"""The properties that an application may add to the handshake: names, values and how much of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

# Peers limit the command that carries them, trizmq to 65535 bytes.
_MOST = 32768


def check_properties(value: object) -> Mapping[str, bytes]:
    """A mapping from names to bytes in its final, frozen form. Raises TypeError or ValueError where it is none."""
    if not isinstance(value, Mapping):
        raise TypeError("expected a mapping from names to bytes")
    properties: dict[str, bytes] = {}
    for name, content in value.items():
        if not isinstance(name, str) or not re.fullmatch(r"X-[!-~]{1,253}", name):
            raise ValueError("expected names of 'X-' (RFC 37) and 1 to 253 characters of ASCII without spaces")
        if not isinstance(content, (bytes, bytearray, memoryview)):
            raise TypeError("expected bytes as the value of each property")
        properties[name] = bytes(content)
    if sum(len(name) + len(content) for name, content in properties.items()) > _MOST:
        raise ValueError(f"expected at most {_MOST} bytes in all: send it as a message")
    return MappingProxyType(properties)

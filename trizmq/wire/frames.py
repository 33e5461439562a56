"""Frames of version 2 framing (ZMTP 2.0 and later, RFC 37) to bytes and from bytes: the hot path of the library.

A decoder makes whole batches of messages in one call of one function, without an object or a call per frame. Most traffic
is a run of messages of one size, so a run is recognised by its headers at C speed and cut in one comprehension.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from typing import Final, cast

from ..errors import RemoteProtocolError
from ..messages import Packed
from .gathering import Gathering

MORE: Final = 0x01
LONG: Final = 0x02
COMMAND: Final = 0x04

#: Bodies from this size on are not copied into a common buffer but written from where they are.
LARGE: Final = 16 * 1024

# Fewer equal messages are not worth the fixed cost of checking a run (measured: the two ways meet at 6 to 8).
_SHORTEST_RUN = 8
_FIRST_WINDOW = 64

# Two short frames with their headers are smaller than this, so a limit on messages that is not smaller allows them.
_SHORTEST_MESSAGE_LIMIT = 2 * 257

_OCTETS = [bytes((size,)) for size in range(256)]
_LAST = [bytes((0, size)) for size in range(256)]
_MORE = [bytes((MORE, size)) for size in range(256)]


# ---- encoding


def frame_header(flags: int, size: int) -> bytes:
    """The header of a frame: short up to 255 bytes of body, long from 256 on (RFC 37)."""
    if size < 256:
        return bytes((flags, size))
    return bytes((flags | LONG,)) + size.to_bytes(8, "big")


def parse_header(data: bytes | bytearray, position: int) -> tuple[int, int, int] | None:
    """Flags, start and size of the body of the frame at a position; None if its header is not complete."""
    if position + 2 > len(data):
        return None
    flags = data[position]
    if not flags & LONG:
        return flags, position + 2, data[position + 1]
    start = position + 9
    return (flags, start, int.from_bytes(data[position + 1 : start], "big")) if start <= len(data) else None


def command_frame(body: bytes) -> bytes:
    """A command as it goes on the wire."""
    return frame_header(COMMAND, len(body)) + body


def encode(batch: list[Packed]) -> list[bytes]:
    """The buffers to write for a batch: what is small joined into few, large bodies by reference."""
    if len(batch) == 1:
        message = batch[0]
        if isinstance(message, bytes):
            if len(message) < 256:
                return [_LAST[len(message)] + message]
        elif len(message) == 2:  # a request, a reply
            first, last = message
            if len(first) < 256 and len(last) < 256:
                return [_MORE[len(first)] + first + _LAST[len(last)] + last]
    elif (kinds := set(map(type, batch))) == {bytes}:
        bodies = cast("list[bytes]", batch)
        sizes = set(map(len, bodies))
        if len(sizes) == 1:
            header = frame_header(0, size := sizes.pop())
            if size < LARGE:
                return [header + header.join(bodies)]
        elif max(sizes) < 256:
            headers = _LAST
            return [b"".join([part for body in bodies for part in (headers[len(body)], body)])]
    elif kinds == {list} and set(map(len, batch)) == {2}:
        frames = list(chain.from_iterable(cast("list[list[bytes]]", batch)))
        lengths = list(map(len, frames))
        if max(lengths) < 256:
            parts = [b""] * (2 * len(frames))
            parts[::4] = map(_MORE.__getitem__, lengths[::2])
            parts[2::4] = map(_LAST.__getitem__, lengths[1::2])
            parts[1::2] = frames
            return [b"".join(parts)]
    return _encode_any(batch)


def _encode_any(batch: list[Packed]) -> list[bytes]:
    buffers: list[bytes] = []
    parts: list[bytes] = []
    add = parts.append
    for message in batch:
        if isinstance(message, bytes):
            last = message
        else:
            *others, last = message
            for body in others:
                size = len(body)
                add(_MORE[size] if size < 256 else b"\x03" + size.to_bytes(8, "big"))
                add(body)
                if size >= LARGE:
                    parts.pop()
                    buffers.append(b"".join(parts))
                    buffers.append(body)
                    parts.clear()
        size = len(last)
        add(_LAST[size] if size < 256 else b"\x02" + size.to_bytes(8, "big"))
        if size < LARGE:
            add(last)
        else:
            buffers.append(b"".join(parts))
            buffers.append(last)
            parts.clear()
    if parts:
        buffers.append(b"".join(parts))
    return buffers


# ---- decoding


class Decoder:
    """Collects what was received and cuts messages out of it; version 2 framing.

    Bytes are kept as they came in, with a position. A frame whose body is not all there is gathered in a buffer of its own:
    feeding is linear in the bytes received, whatever the chunks, and nothing is allocated for announced bytes.
    """

    __slots__ = (
        "_body",
        "_command",
        "_data",
        "_flags",
        "_frames",
        "_gathering",
        "_max_frames",
        "_max_size",
        "_position",
        "_size",
        "_violation",
        "has_input",
        "missing",
    )

    def __init__(self, max_size: int, max_frames: int, command: Callable[[bytes], bytes | None]) -> None:
        self._max_size = max_size
        self._max_frames = max_frames
        self._command = command  # takes the body of a command, gives the message to deliver for it if there is one
        self._data = b""
        self._position = 0
        self._frames: list[bytes] | None = None  # of the message that is under way
        self._size = 0  # of those frames together
        self._flags = 0  # of the frame whose body is under way
        self._gathering = Gathering()  # its body so far
        self._body: bytes | None = None  # its body once that is complete
        self._violation = ""
        #: How many bytes of the body that is under way have not arrived.
        self.missing = 0
        #: Whether :meth:`decode` could give something now.
        self.has_input = False

    def feed(self, data: bytes) -> None:
        """Take what was received."""
        if not data or self._violation:
            return
        if missing := self.missing:
            if len(data) < missing:
                self.missing = missing - len(data)
                self._gathering.add(data)
                return
            self._gathering.add(data if len(data) == missing else memoryview(data)[:missing])
            self._body = self._gathering.take()
            self._data, self._position, self.missing = data, missing, 0
        else:
            # usually nothing is left over, else part of a header
            self._data = data if self._position == len(self._data) else self._data[self._position :] + data
            self._position = 0
        self.has_input = True

    def space(self) -> memoryview | None:
        """Where the next bytes belong, if they are those of a large body: what is read there need not be copied again.

        Release it, then tell with :meth:`filled` how many came, before anything else is called here.
        """
        return self._gathering.space() if self.missing else None

    def filled(self, count: int) -> None:
        """So many bytes were put into the :meth:`space`."""
        self._gathering.filled(count)
        self.missing -= count
        if not self.missing:
            self._body = self._gathering.take()
            self.has_input = True

    def whole(self, data: bytes) -> Packed | None:
        """The message that these bytes are, exactly, if that is easily seen; else nothing happens: :meth:`feed` them.

        In a round trip one short message is all there is, and this costs a fraction of what the general way does.
        """
        end = len(data)
        if not 2 <= end < _SHORTEST_MESSAGE_LIMIT <= self._max_size or self._data or self.missing:
            return None
        if self._frames is not None or self._body is not None or self._violation:
            return None
        first = 2 + data[1]
        if data[0] == 0 and first == end:
            return data[2:]
        two = data[0] == MORE and first + 2 <= end and data[first] == 0 and self._max_frames > 1
        if two and first + 2 + data[first + 1] == end:
            return [data[2:first], data[first + 2 :]]
        return None

    def inject(self, message: bytes) -> None:
        """Deliver a message before the first one that was received."""
        self._body = message
        self.has_input = True

    def _begin_body(self, flags: int, start: int, missing: int) -> None:
        """A frame ends beyond the data: keep what is there of its body, and gather the rest."""
        self._flags = flags
        self._gathering.begin(memoryview(self._data)[start:], missing)
        self.missing = missing

    def _violated(self, reason: str, before: list[Packed]) -> list[Packed]:
        """The peer broke the protocol: raise, or first deliver the messages that it sent before."""
        self._violation = reason
        self._data, self._position, self._frames = b"", 0, None
        self.has_input = True  # the next call raises
        if before:
            return before
        raise RemoteProtocolError(reason)

    def _too_large(self, size: int, frames: list[bytes] | None) -> str:
        others = sum(map(len, frames)) if frames is not None else 0
        return f"a message of more than {self._max_size} bytes: a frame announces {size}, after {others} in others"

    def _too_many_frames(self) -> str:
        return f"a message of more than {self._max_frames} frames"

    def _take(self, flags: int, body: bytes, messages: list[Packed]) -> None:
        """What a decoder that takes no short cuts does with a frame: its own flags, its own body."""
        if flags & COMMAND:
            if (message := self._command(body)) is not None:
                messages.append(message)
            return
        frames = self._frames or []
        self._size = self._size + len(body) if frames else len(body)
        if self._size > self._max_size:
            raise RemoteProtocolError(self._too_large(len(body), frames))
        frames.append(body)
        if flags & MORE:
            if len(frames) >= self._max_frames:
                raise RemoteProtocolError(self._too_many_frames())
            self._frames = frames
        else:
            messages.append(frames if len(frames) > 1 else body)
            self._frames = None

    def decode(self, most: int) -> list[Packed]:
        """Up to ``most`` whole messages, in order.

        Raises:
            RemoteProtocolError: the bytes that come next break the protocol.
        """
        if self._violation:
            raise RemoteProtocolError(self._violation)
        data = self._data
        position = self._position
        end = len(data)
        frames = self._frames
        limit = self._max_size
        body = self._body
        flags = self._flags if body is not None else 0
        messages: list[Packed] = []
        add = messages.append
        began = body_1 = began_2 = start = -1  # of the message under way: itself, its first body, its second frame
        previous = -1  # size of the last one-frame message
        no_run_before = 0  # where it is worth looking for a run again
        patience = _SHORTEST_RUN
        window = _FIRST_WINDOW
        self.has_input = False
        while len(messages) < most:
            if body is None:
                if position + 2 > end:
                    break
                flags = data[position]
                if flags & LONG:
                    start = position + 9
                    if start > end:
                        break
                    size = int.from_bytes(data[position + 1 : start], "big")
                else:
                    start = position + 2
                    size = data[position + 1]
                following = start + size
                if size > limit or (frames is not None and not flags & COMMAND and self._size + size > limit):
                    return self._violated(self._too_large(size, frames), messages)
                if following > end:
                    self._begin_body(flags, start, following - end)
                    position = end
                    break
                if frames is None and not flags & ~LONG:
                    if size == previous and position >= no_run_before:
                        step = following - position
                        count = min((end - position) // step, most - len(messages), window)
                        if count >= _SHORTEST_RUN:
                            found = _count_alike(data, position, step, count, data[position:start])
                            # The work of looking stays in proportion to what is found.
                            window = window << 3 if found == count else max(_SHORTEST_RUN, 2 * found)
                            if found >= _SHORTEST_RUN:
                                length = found * step
                                messages += [data[at : at + size] for at in range(start, start + length, step)]
                                position += length
                                patience = _SHORTEST_RUN
                                continue
                            no_run_before = position + patience * step
                            patience = min(patience * 2, 256)
                    previous = size
                body = data[start:following]
                head = position
                position = following
            else:
                self._body = None
                head = -1
            if not flags & 5:  # neither MORE nor COMMAND; reserved bits are ignored, as libzmq does
                if frames is None:
                    add(body)
                else:
                    frames.append(body)
                    add(frames)
                    if len(frames) == 2 and began >= 0 and position >= no_run_before:
                        # Two frames are what an envelope or a topic makes of a message: the same again, with two headers.
                        step = position - began
                        count = min((end - position) // step, most - len(messages), window)
                        if count >= _SHORTEST_RUN and data.startswith(data[began:body_1], position):
                            found = _count_alike(data, position, step, count, data[began:body_1])
                            found = _count_alike(data, position + began_2 - began, step, found, data[began_2:start])
                            window = window << 3 if found == count else max(_SHORTEST_RUN, 2 * found)
                            if found >= _SHORTEST_RUN:
                                ahead_1, stop_1, ahead_2 = body_1 - began, began_2 - began, start - began
                                length = found * step
                                messages += [
                                    [data[at + ahead_1 : at + stop_1], data[at + ahead_2 : at + step]]
                                    for at in range(position, position + length, step)
                                ]
                                position += length
                                patience = _SHORTEST_RUN
                            else:
                                no_run_before = position + patience * step
                                patience = min(patience * 2, 256)
                    frames = None
            elif flags & COMMAND:  # whatever MORE says, and without disturbing the message it stands in
                if (message := self._command(body)) is not None:
                    add(message)
                began = -1
            else:
                if frames is None:
                    frames = [body]
                    self._size = len(body)
                    began, body_1, began_2 = head, start, position
                else:
                    frames.append(body)
                    self._size += len(body)
                if len(frames) >= self._max_frames:  # and another one follows
                    return self._violated(self._too_many_frames(), messages)
            body = None
        else:
            self.has_input = position < end or self._body is not None
        if position == end:
            self._data, self._position = b"", 0
        else:
            self._position = position
        self._frames = frames
        return messages


def _count_alike(data: bytes, position: int, step: int, count: int, header: bytes) -> int:
    """How many of ``count`` places, ``step`` bytes apart, begin with this header: up to the first that does not."""
    for offset, octet in enumerate(header, position):
        column = data[offset : position + count * step : step]
        if column.count(octet) != count:
            count -= len(column.lstrip(_OCTETS[octet]))
    return count

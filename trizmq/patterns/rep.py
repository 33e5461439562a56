"""REP: answers one request at a time."""

from __future__ import annotations

from ..errors import StateError
from ..events import DropReason
from ..messages import Packed
from ..options import SocketOptions
from .base import Drop, Pattern, Peer
from .fair_queue import FairQueue
from .types import COMPATIBLE


class Rep(Pattern):
    """REP: receives a request, sends its reply, and so on in turn.

    The envelope of a request, all its frames up to and including the first empty one (RFC 28), is kept and put before the
    reply. A message without an envelope, or without a frame after it, is dropped as malformed. A reply to a peer that has
    gone or is full is dropped and counted, and ``send`` succeeds, as in libzmq.
    """

    name = "REP"
    accepts = COMPATIBLE[name]

    def __init__(self, drop: Drop, options: SocketOptions) -> None:
        super().__init__(drop, options)
        self._queue = FairQueue(self._admit)
        self.arrived = self._queue.arrived  # type: ignore[method-assign]  # one Python call less per message
        #: The envelope of the request whose reply is due; empty where none is.
        self._envelope: list[bytes] = []
        #: Who sent it; None once that connection is gone.
        self._asker: Peer | None = None
        #: The body of that request, if it was put back.
        self._put_back: Packed | None = None

    # ---- the life of a peer

    def disconnected(self, peer: Peer) -> None:
        # Who connects next through the same endpoint may be someone else, waiting for the reply to another request.
        if self._asker is peer:
            self._asker = None

    def detach(self, peer: Peer) -> None:
        self.disconnected(peer)

    def end(self) -> None:
        if self._put_back is not None:
            self._put_back = None
            self.drop(DropReason.UNREAD, self._asker, 1)
        self._queue.give_up(self.drop)

    def _admit(self, peer: Peer, batch: list[Packed]) -> list[Packed]:
        well_formed: list[Packed] = [message for message in batch if isinstance(message, list) and b"" in message[:-1]]
        if len(well_formed) < len(batch):
            self.drop(DropReason.MALFORMED, peer, len(batch) - len(well_formed))
        return well_formed

    # ---- the verbs

    def receive(self) -> Packed | None:
        if self._put_back is not None:
            body, self._put_back = self._put_back, None
            return body
        if self._envelope:
            raise StateError("a request is waiting for its reply: send() it before receive()")
        request = self._queue.receive()
        if request is None:
            return None
        assert isinstance(request, list)  # _admit lets no other in
        start = request.index(b"") + 1
        self._envelope = request[:start]
        last = self._queue.last
        self._asker = last if last.connected else None
        return request[start] if len(request) == start + 1 else request[start:]

    def receive_many(self, most: int) -> list[Packed]:
        """One request at most: the next one can be received after the reply to this one."""
        request = self.receive() if most > 0 else None
        return [] if request is None else [request]

    def unreceive(self, message: Packed) -> None:
        self._put_back = message

    def send(self, message: Packed) -> bool:
        envelope = self._envelope
        if not envelope or self._put_back is not None:
            raise StateError("there is no request to reply to: receive() one before send()")
        asker = self._asker
        reply = [*envelope, message] if isinstance(message, bytes) else [*envelope, *message]
        self._envelope = []
        self._asker = None
        if asker is None:
            self.drop(DropReason.UNROUTABLE, None, 1)
        elif not asker.outbound.put(reply):
            self.drop(DropReason.SEND_HWM, asker, 1)
        return True

    @property
    def sender(self) -> Peer:
        return self._queue.last

    @property
    def can_send(self) -> bool:
        return bool(self._envelope) and self._put_back is None

    @property
    def can_receive(self) -> bool:
        return self._put_back is not None or (not self._envelope and self._queue.can_receive)

"""Looking at the peers of a socket, and ending the connection to one of them."""

from __future__ import annotations

from types import MappingProxyType

from ..errors import HostUnreachable
from ..events import PeerInfo, Statistics
from ..patterns.base import Peer
from .checkpoints import enable_ki_protection
from .socket import SocketCore


def peers(core: SocketCore) -> tuple[PeerInfo, ...]:
    """See :meth:`trizmq.Socket.peers`."""
    return tuple(session.snapshot() for session in sorted(core.sessions, key=lambda session: session.id))


def statistics(core: SocketCore) -> Statistics:
    """See :meth:`trizmq.Socket.statistics`."""
    core.flush()
    counters = core.counters
    # what a pair has moved is added to the counters when it parts; before that its pipes know
    paired = [session for session in core.sessions if session.pair is not None and session.peer.connected]
    return Statistics(
        messages_sent=counters.messages_sent + sum(session.outbound.total for session in paired),
        messages_received=counters.messages_received + sum(session.inbound.total for session in paired),
        bytes_sent=counters.bytes_sent,
        bytes_received=counters.bytes_received,
        reconnects=counters.reconnects,
        drops=MappingProxyType(dict(core.drops.drops)),
        peers=peers(core),
        connections_accepted=counters.connections_accepted,
        connections_made=counters.connections_made,
        handshakes_failed=counters.handshakes_failed,
        disconnects=counters.disconnects,
    )


def sender(core: SocketCore) -> PeerInfo:
    """Whose message was just received."""
    return snapshot(core.pattern.sender)


def snapshot(peer: Peer) -> PeerInfo:
    """What applications see of a peer."""
    assert peer.snapshot is not None  # sessions make all peers, and set it
    return peer.snapshot()


@enable_ki_protection
def disconnect_peer(core: SocketCore, which: bytes | PeerInfo) -> None:
    """See :meth:`trizmq.Socket.disconnect_peer`."""
    core.check_open()
    if isinstance(which, PeerInfo):
        found = [session for session in core.sessions if session.id == which.id]
        what = f"the peer {which.id} ({which.address or which.endpoint})"
    elif isinstance(which, (bytes, bytearray, memoryview)):
        name = bytes(which)
        if not name:
            raise ValueError("an empty routing id names no peer: give one of the entries of peers() instead")
        found = [session for session in core.sessions if name in (session.peer.routing_id, session.peer.identity)]
        what = f"a peer with the routing id {name!r}"
    else:
        raise TypeError(f"expected a routing id or an entry of peers(), not {type(which).__name__}")
    found = [session for session in found if session.peer.connected]
    if not found:
        raise HostUnreachable(f"{core.name} is not connected to {what}: it has gone, or was never there; see peers()")
    for session in found:
        session.reset()

"""Peers of ZMTP 1.0 and 2.0 on live sockets: every byte, in both roles, for every pattern (zmtp-wire.md 2)."""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
import trio
import trio.testing

import trizmq
from tests.runtime.helpers import RawPeer, frame, raw_connection, raw_listener, until

pytestmark = pytest.mark.deadline(10)

SIGNATURE = b"\xff" + bytes(7) + b"\x01\x7f"
OCTETS = {
    trizmq.Pair: 0,
    trizmq.Pub: 1,
    trizmq.Sub: 2,
    trizmq.Req: 3,
    trizmq.Rep: 4,
    trizmq.Dealer: 5,
    trizmq.Router: 6,
    trizmq.Pull: 7,
    trizmq.Push: 8,
    trizmq.XPub: 9,
    trizmq.XSub: 10,
}

#: What one frame can be: around the ends of the short header in either framing, and more than one read brings.
BODIES = [b"", b"x", *(bytes([size % 251]) * size for size in (253, 254, 255, 256, 300_000))]


def frame_v1(body: bytes, flags: int = 0) -> bytes:
    if len(body) < 254:
        return bytes([len(body) + 1, flags]) + body
    return b"\xff" + struct.pack(">Q", len(body) + 1) + bytes([flags]) + body


@dataclass(frozen=True)
class Version:
    """An old version of the protocol."""

    name: str
    revision: int | None  # None: it has no greeting
    old_frames: bool

    def frame(self, body: bytes, flags: int = 0) -> bytes:
        return frame_v1(body, flags) if self.old_frames else frame(body, flags)

    def message(self, *frames: bytes) -> bytes:
        return b"".join(self.frame(body, int(at < len(frames) - 1)) for at, body in enumerate(frames))


V1 = Version("1.0", None, True)
V1_0 = Version("revision 0", 0, True)
V2 = Version("2.0", 1, False)

each_version = pytest.mark.parametrize("version", [V1, V1_0, V2], ids=lambda version: version.name)
greeting_versions = pytest.mark.parametrize("version", [V1_0, V2], ids=lambda version: version.name)


class OldPeer(RawPeer):
    """A raw peer that speaks an old version."""

    def __init__(self, raw: RawPeer, version: Version) -> None:
        super().__init__(raw.stream)
        self.version = version

    async def shake(self, octet: int, identity: bytes = b"", theirs: bytes = b"") -> int:
        """The whole handshake, every byte of ours checked; returns the socket type that was announced, -1 for none."""
        version = self.version
        assert await self.read(10) == b"\xff" + struct.pack(">Q", len(theirs) + 1) + b"\x7f"
        if version.revision is None:
            await self.stream.send_all(frame_v1(identity))
            assert await self.read(len(theirs)) == theirs
            return -1
        await self.stream.send_all(SIGNATURE)
        assert await self.read(1) == b"\x03"
        await self.nothing_more()
        await self.stream.send_all(bytes([version.revision]))
        (announced,) = await self.read(1)
        await self.nothing_more()
        await self.stream.send_all(bytes([octet]))
        expected = version.frame(theirs)
        assert await self.read(len(expected)) == expected
        await self.nothing_more()
        await self.stream.send_all(version.frame(identity))
        return announced

    async def nothing_more(self) -> None:
        """Nothing else comes by itself."""
        await trio.testing.wait_all_tasks_blocked(0.002)
        assert not self._buffer
        with trio.move_on_after(0.002):
            data = await self.stream.receive_some()
            pytest.fail(f"{data!r} came")

    async def send(self, *frames: bytes) -> None:
        await self.stream.send_all(self.version.message(*frames))

    async def read_frame(self) -> tuple[int, bytes]:
        if not self.version.old_frames:
            return await super().read_frame()
        (length,) = await self.read(1)
        if length == 255:
            (length,) = struct.unpack(">Q", await self.read(8))
        (flags,) = await self.read(1)
        return flags, await self.read(length - 1)


@asynccontextmanager
async def joined(
    socket: trizmq.Socket, version: Version, octet: int, identity: bytes = b"", theirs: bytes = b"", binds: bool = True
) -> AsyncIterator[OldPeer]:
    """An old peer, of a socket that binds or connects."""
    if binds:
        async with raw_connection(await socket.bind("tcp://127.0.0.1:*")) as raw:
            peer = OldPeer(raw, version)
            await peer.shake(octet, identity, theirs)
            await socket.wait_connected()
            yield peer
    else:
        async with raw_listener() as listener:
            socket.connect(listener.endpoint)
            peer = OldPeer(await listener.accept(), version)
            await peer.shake(octet, identity, theirs)
            await socket.wait_connected()
            yield peer


# ---- the handshake


@pytest.mark.parametrize("binds", [True, False], ids=["binds", "connects"])
@pytest.mark.parametrize("kind", OCTETS, ids=lambda kind: kind.__name__)
@each_version
async def test_the_handshake(version: Version, kind: type[trizmq.Socket], binds: bool) -> None:
    async with kind() as socket:
        async with raw_listener() as listener:
            if binds:
                async with raw_connection(await socket.bind("tcp://127.0.0.1:*")) as raw:
                    announced = await OldPeer(raw, version).shake(OCTETS[kind])
                    await socket.wait_connected()
            else:
                socket.connect(listener.endpoint)
                announced = await OldPeer(await listener.accept(), version).shake(OCTETS[kind])
                await socket.wait_connected()
        assert announced == (-1 if version.revision is None else OCTETS[kind])


@pytest.mark.parametrize("octet", [1, 0xEE])
async def test_the_type_that_a_2_0_peer_announces_is_not_checked(octet: int) -> None:
    """A PUB, and a type that never was: libzmq takes any."""
    async with trizmq.Router() as router, joined(router, V2, octet, b"ABC") as peer:
        await peer.send(b"x")
        assert await router.receive() == [b"ABC", b"x"]


async def test_a_long_form_identity_of_1_0() -> None:
    """FF and an even octet 9 are the long header of an identity frame, not a signature."""
    async with trizmq.Router() as router:
        async with raw_connection(await router.bind("tcp://127.0.0.1:*")) as raw:
            peer = OldPeer(raw, V1)
            await peer.stream.send_all(b"\xff" + struct.pack(">Q", 4) + b"\x00ABC")
            await peer.send(b"x")
            assert await router.receive() == [b"ABC", b"x"]


@each_version
async def test_byte_by_byte(version: Version) -> None:
    async with trizmq.Pull() as pull:
        async with raw_connection(await pull.bind("tcp://127.0.0.1:*")) as raw:
            greeting = b"" if version.revision is None else SIGNATURE + bytes([version.revision, 8])
            for byte in greeting + version.frame(b"") + version.message(b"a", b"b" * 300):
                await raw.stream.send_all(bytes([byte]))
                await trio.lowlevel.checkpoint()
            assert await pull.receive() == [b"a", b"b" * 300]


@each_version
async def test_a_peer_that_goes_silent_half_way_is_given_up(version: Version) -> None:
    async with trizmq.Pull(handshake_timeout=0.05) as pull:
        async with raw_connection(await pull.bind("tcp://127.0.0.1:*")) as raw:
            await raw.stream.send_all(b"\x05" if version.revision is None else SIGNATURE + bytes([version.revision]))
            await raw.read(10 if version.revision is None else 12)
            assert await raw.closed()


@each_version
@pytest.mark.parametrize("identity", [b"\0abc", b"i" * 256])
async def test_wrong_identities(version: Version, identity: bytes) -> None:
    async with trizmq.Router() as router:
        events = router.events()
        async with raw_connection(await router.bind("tcp://127.0.0.1:*")) as raw:
            greeting = b"" if version.revision is None else SIGNATURE + bytes([version.revision, 5])
            await raw.stream.send_all(greeting + version.frame(identity))
            async for event in events:
                if isinstance(event, trizmq.HandshakeFailed):
                    assert "identity" in event.cause
                    break


# ---- patterns


@each_version
async def test_rep_answers_an_old_req(version: Version) -> None:
    async with trizmq.Rep() as rep, joined(rep, version, 3) as peer:
        for request in ([b"ping"], [b"a", b"", b"b" * 1000]):
            await peer.send(b"", *request)
            assert await rep.receive() == request
            await rep.send([b"re", *request])
            assert await peer.read_message() == [b"", b"re", *request]


@each_version
async def test_req_asks_an_old_rep(version: Version) -> None:
    async with trizmq.Req() as req, joined(req, version, 4, binds=False) as peer:
        for request in ([b"ping"], [b"a", b"", b"b" * 1000]):
            await req.send(request)
            assert await peer.read_message() == [b"", *request]
            await peer.send(b"", b"re", *request)
            assert await req.receive() == [b"re", *request]


@each_version
@pytest.mark.parametrize("binds", [True, False], ids=["binds", "connects"])
async def test_router_knows_an_old_dealer_by_its_identity(version: Version, binds: bool) -> None:
    async with trizmq.Router(router_mandatory=True) as router:
        async with joined(router, version, 5, b"ABC", binds=binds) as peer:
            await router.send([b"ABC", b"first"])
            assert await peer.read_message() == [b"first"]
            await peer.send(b"a", b"", b"c")
            assert await router.receive() == [b"ABC", b"a", b"", b"c"]
            assert [one.routing_id for one in router.statistics().peers] == [b"ABC"]


@each_version
async def test_an_old_dealer_without_identity_gets_one(version: Version) -> None:
    async with trizmq.Router() as router, joined(router, version, 5) as peer:
        await peer.send(b"x")
        identity, body = await router.receive()
        assert (len(identity), identity[:1], body) == (5, b"\0", b"x")
        await router.send([identity, b"y"])
        assert await peer.read_message() == [b"y"]


@each_version
@pytest.mark.parametrize("identity", [b"me", b"i" * 255])
async def test_dealer_tells_an_old_router_its_identity(version: Version, identity: bytes) -> None:
    async with trizmq.Dealer(routing_id=identity) as dealer:
        async with joined(dealer, version, 6, theirs=identity, binds=False) as peer:
            await dealer.send([b"a", b"b"])
            assert await peer.read_message() == [b"a", b"b"]
            await peer.send(b"c")
            assert await dealer.recv() == b"c"


@each_version
async def test_push_to_an_old_pull(version: Version) -> None:
    messages = [*([body] for body in BODIES), BODIES, *([b"%d" % number] for number in range(1000))]
    async with trizmq.Push() as push, joined(push, version, 7, binds=False) as peer, trio.open_nursery() as nursery:
        nursery.start_soon(push.send_many, messages)
        for message in messages:
            assert await peer.read_message() == message
        await push.send(b"alone")
        assert await peer.read_message() == [b"alone"]


@each_version
async def test_pull_from_an_old_push(version: Version) -> None:
    messages = [*([body] for body in BODIES), BODIES, *([b"%d" % number] for number in range(1000))]
    async with trizmq.Pull() as pull, joined(pull, version, 8) as peer, trio.open_nursery() as nursery:
        nursery.start_soon(peer.stream.send_all, b"".join(version.message(*message) for message in messages))
        for message in messages:
            assert await pull.receive() == message


@each_version
async def test_pair(version: Version) -> None:
    async with trizmq.Pair() as pair, joined(pair, version, 0) as peer:
        await pair.send([b"a", b"b"])
        assert await peer.read_message() == [b"a", b"b"]
        await peer.send(b"c", b"d")
        assert await pair.receive() == [b"c", b"d"]


@greeting_versions
async def test_an_old_sub_gets_what_it_subscribes_to(version: Version) -> None:
    async with trizmq.Pub() as pub, joined(pub, version, 2) as peer:
        await pub.send(b"nobody wants it")
        await peer.send(b"\x01a")
        await pub.wait_subscribed(b"a")
        await pub.send_many([b"b", [b"a", b"1"]])
        assert await peer.read_message() == [b"a", b"1"]
        await peer.send(b"\x00a")
        await peer.send(b"\x01z")
        await pub.wait_subscribed(b"z")
        await pub.send_many([b"a", b"z"])
        assert await peer.read_message() == [b"z"]


async def test_a_1_0_sub_gets_everything() -> None:
    """Subscribers of that age filter for themselves, and never subscribe."""
    async with trizmq.Pub() as pub, joined(pub, V1, 2) as peer:
        await pub.wait_subscribed(b"anything")
        await pub.send([b"a", b"1"])
        assert await peer.read_message() == [b"a", b"1"]


async def test_xpub_tells_of_what_a_1_0_sub_is_taken_to_want() -> None:
    async with trizmq.XPub() as xpub, joined(xpub, V1, 2) as peer:
        assert await xpub.recv() == b"\x01"
        await xpub.send(b"x")
        assert await peer.read_message() == [b"x"]


@greeting_versions
async def test_xpub_tells_of_the_subscriptions_of_an_old_sub(version: Version) -> None:
    async with trizmq.XPub() as xpub:
        async with joined(xpub, version, 2) as peer:
            await peer.send(b"\x01a")
            assert await xpub.recv() == b"\x01a"
        assert await xpub.recv() == b"\x00a"


@each_version
async def test_sub_subscribes_with_messages_at_an_old_pub(version: Version) -> None:
    async with trizmq.Sub() as sub:
        sub.subscribe(b"a")
        async with joined(sub, version, 1, binds=False) as peer:
            assert await peer.read_message() == [b"\x01a"]
            sub.subscribe(b"b")
            assert await peer.read_message() == [b"\x01b"]
            sub.unsubscribe(b"a")
            assert await peer.read_message() == [b"\x00a"]
            for topic in (b"a", b"b", b"c"):  # a publisher of ZMTP 1.0 does not filter
                await peer.send(topic, b"1")
            assert await sub.receive() == [b"b", b"1"]
            await peer.send(b"b2")
            assert await sub.receive() == [b"b2"]


@each_version
async def test_xsub_at_an_old_pub(version: Version) -> None:
    async with trizmq.XSub() as xsub, joined(xsub, version, 1) as peer:
        await xsub.send(b"\x01a")
        assert await peer.read_message() == [b"\x01a"]
        await peer.send(b"a", b"1")
        assert await xsub.receive() == [b"a", b"1"]


# ---- the life of the connection


@each_version
async def test_no_ping_is_sent_and_silence_is_no_offence(version: Version) -> None:
    async with trizmq.Pull(heartbeat_interval=0.01, heartbeat_timeout=0.02) as pull:
        async with joined(pull, version, 8) as peer:
            with trio.move_on_after(0.15):
                data = await peer.stream.receive_some()
                pytest.fail(f"{data!r} came")
            await peer.send(b"still here")
            assert await pull.recv() == b"still here"


@each_version
async def test_what_an_old_peer_has_not_got_waits_for_the_next_connection(version: Version) -> None:
    async with trizmq.Push(reconnect_interval=0.01) as push, raw_listener() as listener:
        push.connect(listener.endpoint)
        first = OldPeer(await listener.accept(), version)
        await first.shake(7)
        await push.send(b"1")
        assert await first.read_message() == [b"1"]
        await trio.aclose_forcefully(first.stream)
        await until(lambda: not push.statistics().peers[0].connected)
        await push.send(b"2")
        second = OldPeer(await listener.accept(), V2)  # it was brought up to date meanwhile
        await second.shake(7)
        assert await second.read_message() == [b"2"]


@each_version
async def test_a_subscription_is_told_to_each_connection(version: Version) -> None:
    async with trizmq.Sub(reconnect_interval=0.01) as sub, raw_listener() as listener:
        sub.subscribe(b"a")
        sub.connect(listener.endpoint)
        for _ in range(3):
            peer = OldPeer(await listener.accept(), version)
            await peer.shake(1)
            assert await peer.read_message() == [b"\x01a"]
            await trio.aclose_forcefully(peer.stream)


@each_version
async def test_a_message_that_is_too_large(version: Version) -> None:
    async with trizmq.Pull(max_message_size=1000) as pull, joined(pull, version, 8) as peer:
        await peer.send(b"x" * 1000)
        await peer.send(b"x" * 1001)
        assert await pull.recv() == b"x" * 1000
        assert await peer.closed()


@each_version
async def test_old_and_new_peers_of_one_socket(version: Version) -> None:
    async with trizmq.Pub() as pub, trizmq.Sub() as sub, joined(pub, version, 2) as peer:
        sub.subscribe(b"")
        endpoint = await pub.bind("tcp://127.0.0.1:*")
        sub.connect(endpoint)
        if version is not V1:
            await peer.send(b"\x01")
        await pub.wait_subscribed(b"x", 2)
        for body in BODIES:
            await pub.send([b"x", body])
            assert await peer.read_message() == [b"x", body]
            assert await sub.receive() == [b"x", body]

"""libzmq's tests of PUB, SUB, XPUB and XSUB, written anew from the reference's descriptions (section 4.1)."""

from __future__ import annotations

from typing import Any

import pytest
import trio
import trio.testing

import trizmq
from tests.runtime.helpers import (
    GREETING,
    GREETING_30,
    TRANSPORTS,
    frame,
    meet,
    message,
    raw_connection,
    raw_listener,
    until,
)

pytestmark = pytest.mark.deadline(10)

each_transport = pytest.mark.parametrize("endpoint", TRANSPORTS.values(), ids=TRANSPORTS)


def other(endpoint: str) -> str:
    """Another endpoint of the same transport."""
    return endpoint.replace("here", "there").replace("trizmq-", "trizmq-b")


async def nothing_more(*sockets: trizmq.Sub | trizmq.XPub | trizmq.XSub) -> None:
    await trio.testing.wait_all_tasks_blocked(0.005)
    for socket in sockets:
        assert not socket.readable, await socket.receive()


@each_transport
async def test_sub_forward(endpoint: str) -> None:
    """test_sub_forward: a subscription and then a message relayed by hand through XPUB and XSUB."""
    async with trizmq.Context() as context:
        async with (
            context.socket(trizmq.XPub) as xpub,
            context.socket(trizmq.XSub) as xsub,
            context.socket(trizmq.Pub) as pub,
            context.socket(trizmq.Sub) as sub,
        ):
            pub.connect(await xsub.bind(endpoint))
            sub.connect(await xpub.bind(other(endpoint)))
            await xsub.wait_connected()
            sub.subscribe(b"")
            await xsub.send(await xpub.receive())
            await pub.wait_subscribed()
            await pub.send(b"x")
            await xpub.send(await xsub.receive())
            assert await sub.recv() == b"x"


async def test_pubsub_topics() -> None:
    """test_pubsub_topics_count: nested prefixes are topics of their own (the count is not public; the XPUB's view is)."""
    async with trizmq.XPub() as xpub, trizmq.Sub() as sub:
        await meet(xpub, sub)
        topics = [b"topicname1", b"topicname1-nested", b"topicname1-nested-more"]
        for topic in topics:
            sub.subscribe(topic)
            assert await xpub.recv() == b"\x01" + topic
        for topic in topics:
            sub.unsubscribe(topic)
            assert await xpub.recv() == b"\x00" + topic
            await xpub.send(topic)  # a prefix that is still subscribed to does not match it: the others are longer
        await nothing_more(xpub, sub)


@each_transport
async def test_pub_invert_matching(endpoint: str) -> None:
    """test_pub_invert_matching: set on both sides, what does not match is delivered; changeable meanwhile."""
    async with trizmq.Context() as context:
        async with (
            context.socket(trizmq.Pub) as pub,
            context.socket(trizmq.Sub) as first,
            context.socket(trizmq.Sub) as second,
        ):
            bound = await pub.bind(endpoint)
            first.connect(bound)
            second.connect(bound)
            first.subscribe(b"hello")
            second.subscribe(b"goodbye")
            await pub.wait_subscribed(b"hello")
            await pub.wait_subscribed(b"goodbye")

            async def expect(inverted: bool) -> None:
                for text, subscriber, stranger in ((b"hello there", first, second), (b"goodbye bears", second, first)):
                    await pub.send(text)
                    reader, silent = (stranger, subscriber) if inverted else (subscriber, stranger)
                    assert await reader.recv() == text
                    await nothing_more(silent)

            await expect(False)
            for socket in (pub, first, second):
                socket.invert_matching = True
            await expect(True)
            for socket in (pub, first, second):
                socket.invert_matching = False
            await expect(False)


@pytest.mark.parametrize("size", [244, 245, 246, 247, 1000])
@each_transport
async def test_xpub_topic(endpoint: str, size: int) -> None:
    """test_xpub_topic: topics that make the command 255 and 256 bytes long, where the frame's header changes form."""
    topic = b"a" * size
    async with trizmq.XPub() as xpub, trizmq.Sub() as sub:
        await meet(xpub, sub, endpoint)
        sub.subscribe(topic)
        assert await xpub.recv() == b"\x01" + topic
        await xpub.send(topic + b"x")
        assert await sub.recv() == topic + b"x"
        sub.unsubscribe(topic)
        assert await xpub.recv() == b"\x00" + topic


async def verbosity(endpoint: str, **options: Any) -> list[bytes]:
    """What an XPUB receives when one XSUB, and then another one too, goes through subscribing and cancelling."""
    received: list[bytes] = []
    async with trizmq.Context() as context, context.socket(trizmq.XPub, **options) as xpub:
        bound = await xpub.bind(endpoint)
        first = await context.socket(trizmq.XSub).__aenter__()
        second = await context.socket(trizmq.XSub).__aenter__()
        first.connect(bound)
        second.connect(bound)
        await xpub.wait_connected(2)
        await first.wait_connected()
        await second.wait_connected()
        for socket, text in (
            (first, b"\x00A"),  # before any subscription: filtered by the XSUB
            (first, b"\x01A"),
            (first, b"\x01A"),
            (second, b"\x01A"),
            (first, b"\x00A"),  # subscribed twice: filtered by the XSUB
            (first, b"\x00A"),
            (second, b"\x00A"),
        ):
            await socket.send(text)
            await trio.testing.wait_all_tasks_blocked(0.003)
            while xpub.readable:
                received.append(await xpub.recv())
    return received


@each_transport
async def test_xpub_verbose(endpoint: str) -> None:
    """test_xpub_verbose: first and last; with VERBOSE every subscription; with VERBOSER every cancellation too."""
    assert await verbosity(endpoint) == [b"\x01A", b"\x00A"]
    assert await verbosity(endpoint, xpub_verbose=True) == [b"\x01A", b"\x01A", b"\x01A", b"\x00A"]
    assert await verbosity(endpoint, xpub_verboser=True) == [b"\x01A", b"\x01A", b"\x01A", b"\x00A", b"\x00A"]


@each_transport
async def test_xpub_verbose_when_subscribers_leave(endpoint: str) -> None:
    """test_xpub_verbose: a subscriber that closes cancels what it had; the last one always, each with VERBOSER."""
    for verboser in (False, True):
        async with trizmq.XPub(xpub_verboser=verboser) as xpub, trizmq.Sub() as stays:
            stays.subscribe(b"A")
            await meet(xpub, stays, endpoint)
            assert await xpub.recv() == b"\x01A"
            async with trizmq.Sub() as goes:
                goes.subscribe(b"A")
                goes.subscribe(b"B")
                goes.connect(stays.statistics().peers[0].endpoint)
                expected = {b"\x01A", b"\x01B"} if verboser else {b"\x01B"}
                assert {await xpub.recv() for _ in expected} == expected
            expected = {b"\x00A", b"\x00B"} if verboser else {b"\x00B"}
            assert {await xpub.recv() for _ in expected} == expected
            await nothing_more(xpub)


@each_transport
async def test_xsub_verbose(endpoint: str) -> None:
    """test_xsub_verbose: with the option every cancellation reaches a VERBOSER XPUB, also of topics that are unknown."""
    async with trizmq.XPub(xpub_verboser=True) as xpub, trizmq.XSub(xsub_verbose_unsubscribe=True) as xsub:
        await meet(xpub, xsub, endpoint)
        for text in (b"\x00A", b"\x01A", b"\x01A", b"\x00A", b"\x00A", b"\x00A"):
            await xsub.send(text)
            assert await xpub.recv() == text


# ---- manual


@each_transport
async def test_xpub_manual(endpoint: str) -> None:
    """test_xpub_manual, basic: the application subscribes the peer to B where it asked for A."""
    async with trizmq.XPub(xpub_manual=True) as xpub, trizmq.XSub() as xsub:
        await meet(xpub, xsub, endpoint)
        await xsub.send(b"\x01A")
        assert await xpub.recv() == b"\x01A"
        xpub.subscribe(b"B")
        await xpub.send(b"A")
        await xpub.send(b"B")
        assert await xsub.recv() == b"B"
        await nothing_more(xsub)


@each_transport
async def test_xpub_manual_unsubscribe(endpoint: str) -> None:
    """test_xpub_manual, unsubscribe: a cancellation is mapped by the application as well."""
    async with trizmq.XPub(xpub_manual=True) as xpub, trizmq.XSub() as xsub:
        await meet(xpub, xsub, endpoint)
        await xsub.send(b"\x01A")
        assert await xpub.recv() == b"\x01A"
        xpub.subscribe(b"XA")
        await xpub.send(b"A")
        await xpub.send(b"XA")
        assert await xsub.recv() == b"XA"
        await xsub.send(b"\x00A")
        assert await xpub.recv() == b"\x00A"
        xpub.unsubscribe(b"XA")
        await xpub.send(b"XA")
        await nothing_more(xsub)


@each_transport
async def test_xpub_manual_two_that_leave(endpoint: str) -> None:
    """test_xpub_manual, unsubscribe two subscribers: each that closes gives one cancellation per topic it had asked for."""
    async with trizmq.XPub(xpub_manual=True) as xpub:
        bound = await xpub.bind(endpoint)
        for _ in range(2):
            async with trizmq.Sub() as sub:
                sub.subscribe(b"A")
                sub.subscribe(b"B")
                sub.connect(bound)
                for topic in (b"A", b"B"):
                    assert await xpub.recv() == b"\x01" + topic
                    xpub.subscribe(b"X" + topic)
                await xpub.send(b"XA1")
                await sub.wait_connected()
            assert sorted([await xpub.recv() for _ in range(2)]) == [b"\x00A", b"\x00B"]
            await nothing_more(xpub)


@each_transport
async def test_xpub_manual_late_confirmation(endpoint: str) -> None:
    """test_xpub_manual, missing subscriptions: two ask, then the application reads and confirms one after the other."""
    async with trizmq.Context() as context, context.socket(trizmq.XPub, xpub_manual=True) as xpub:
        bound = await xpub.bind(endpoint)
        subs = {}
        for topic in (b"A", b"B"):
            sub = await context.socket(trizmq.Sub).__aenter__()
            sub.subscribe(topic)
            sub.connect(bound)
            subs[topic] = sub
        await xpub.wait_connected(2)
        for _ in subs:
            xpub.subscribe((await xpub.recv())[1:])
        for topic, sub in subs.items():
            await xpub.send(topic)
            assert await sub.recv() == topic
        await nothing_more(*subs.values())


@each_transport
async def test_xpub_manual_unconfirmed_when_it_leaves(endpoint: str) -> None:
    """test_xpub_manual, unsubscribe cleanup: the next connection inherits nothing; acting for a peer gone is no error."""
    async with trizmq.XPub(xpub_manual=True) as xpub:
        bound = await xpub.bind(endpoint)
        async with trizmq.XSub() as first:
            first.connect(bound)
            await first.wait_connected()
            await first.send(b"\x01A")
            assert await xpub.recv() == b"\x01A"
            xpub.subscribe(b"XA")
            await first.send(b"\x01B")
            await xpub.wait_readable()
        await until(lambda: not xpub.statistics().peers)
        assert await xpub.recv() == b"\x01B"
        xpub.subscribe(b"XB")  # it has gone: nothing happens
        assert sorted([await xpub.recv() for _ in range(2)]) == [b"\x00A", b"\x00B"]
        async with trizmq.XSub() as second:
            second.connect(bound)
            await second.wait_connected()
            await second.send(b"\x01C")
            assert await xpub.recv() == b"\x01C"
            xpub.subscribe(b"XC")
            for text in (b"XA", b"XB", b"XC"):
                await xpub.send(text)
            assert await second.recv() == b"XC"
            await nothing_more(second)


@each_transport
async def test_xpub_manual_user_message(endpoint: str) -> None:
    """test_xpub_manual, user message: what is no subscription passes as it is."""
    async with trizmq.XPub(xpub_manual=True) as xpub, trizmq.XSub() as xsub:
        await meet(xpub, xsub, endpoint)
        await xsub.send(b"\x02A")
        assert await xpub.recv() == b"\x02A"
        await xsub.send(b"")
        assert await xpub.recv() == b""


@each_transport
@pytest.mark.parametrize("manual", [True, False])
async def test_only_first_subscribe(endpoint: str, manual: bool) -> None:
    """test_xpub_manual, user message multi: with ONLY_FIRST_SUBSCRIBE later frames pass as data whatever they start with."""
    async with (
        trizmq.XPub(xpub_manual=manual, only_first_subscribe=True) as xpub,
        trizmq.XSub(only_first_subscribe=True) as xsub,
    ):
        await meet(xpub, xsub, endpoint)
        await xsub.send([b"\x02A", b"\x01B", b"\x00C"])
        assert await xpub.receive() == [b"\x02A", b"\x01B", b"\x00C"]


async def test_manual_needs_the_option() -> None:
    async with trizmq.XPub() as xpub:
        with pytest.raises(trizmq.StateError, match="xpub_manual"):
            xpub.subscribe(b"A")


@each_transport
async def test_xpub_manual_last_value(endpoint: str) -> None:
    """test_xpub_manual_last_value: the first send after a subscription was read goes to that subscriber only."""
    async with trizmq.Context() as context, context.socket(trizmq.XPub, xpub_manual_last_value=True) as xpub:
        bound = await xpub.bind(endpoint)
        subs = []
        for number in range(3):
            sub = await context.socket(trizmq.Sub).__aenter__()
            sub.subscribe(b"A")
            sub.connect(bound)
            subs.append(sub)
            assert await xpub.recv() == b"\x01A"
            xpub.subscribe(b"A")
            await xpub.send([b"A", b"cached for %d" % number])
            assert await sub.receive() == [b"A", b"cached for %d" % number]
            await nothing_more(*subs)
        await xpub.send([b"A", b"to all"])
        for sub in subs:
            assert await sub.receive() == [b"A", b"to all"]


# ---- the rest


@each_transport
async def test_xpub_nodrop(endpoint: str) -> None:
    """test_xpub_nodrop: at the mark it would block instead of dropping, and everything accepted is received."""
    async with trizmq.Pub(xpub_nodrop=True, send_hwm=200) as pub, trizmq.Sub(receive_hwm=200) as sub:
        await meet(pub, sub, endpoint)
        sub.subscribe()
        await pub.wait_subscribed()
        sent = 0
        for _ in range(199):
            pub.send_nowait(b"%d" % sent)
            sent += 1
        with pytest.raises(trio.WouldBlock):
            while True:
                pub.send_nowait(b"%d" % sent + bytes(1000))
                sent += 1
                if not sent % 50:
                    await trio.testing.wait_all_tasks_blocked()
        assert not pub.writable
        received = 0
        while received < sent:
            assert (await sub.recv()).rstrip(b"\0") == b"%d" % received
            received += 1
        assert pub.statistics().dropped == 0
        with trio.fail_after(1):
            await pub.wait_writable()
        await nothing_more(sub)


@each_transport
async def test_xpub_welcome_msg(endpoint: str) -> None:
    """test_xpub_welcome_msg: every new subscriber gets it first; it is seen only by who subscribed to it."""
    async with trizmq.XPub(xpub_welcome_message=b"W") as xpub, trizmq.Sub() as sub, trizmq.Sub() as other_sub:
        bound = await xpub.bind(endpoint)
        sub.subscribe(b"W")
        sub.connect(bound)
        assert await xpub.recv() == b"\x01W"
        assert await sub.recv() == b"W"
        other_sub.subscribe(b"X")
        other_sub.connect(bound)
        assert await xpub.recv() == b"\x01X"
        await xpub.send(b"X1")
        assert await other_sub.recv() == b"X1"
        await nothing_more(sub, other_sub)


@each_transport
async def test_only_what_matches(endpoint: str) -> None:
    """By prefix of the first frame, the empty topic matches all, several topics give a message once."""
    async with trizmq.Pub() as pub, trizmq.Sub() as sub:
        await meet(pub, sub, endpoint)
        for topic in (b"ab", b"abc", b"x"):
            sub.subscribe(topic)
        await pub.wait_subscribed(b"x")
        for text in (b"a", b"abcd", b"ab", b"b", b"", b"xy"):
            await pub.send([text, b"ab"])
        for text in (b"abcd", b"ab", b"xy"):
            assert await sub.receive() == [text, b"ab"]
        await nothing_more(sub)
        sub.subscribe(b"")
        await pub.wait_subscribed(b"zzz")
        await pub.send(b"")
        assert await sub.recv() == b""


@pytest.mark.parametrize(("greeting", "command"), [(GREETING, True), (GREETING_30, False)], ids=["3.1", "3.0"])
@pytest.mark.parametrize("kind", [trizmq.Sub, trizmq.XSub])
async def test_mock_pub_sub_subscribing(kind: type[trizmq.Sub], greeting: bytes, command: bool) -> None:
    """test_mock_pub_sub: to a 3.1 publisher subscriptions go as commands, to a 3.0 one as messages."""
    async with raw_listener() as listener, kind() as sub:
        sub.connect(listener.endpoint)
        sub.subscribe(b"A")
        peer = await listener.accept()
        await peer.shake_hands("PUB", greeting=greeting)
        expected = [(4, b"\x09SUBSCRIBEA"), (4, b"\x06CANCELA")] if command else [(0, b"\x01A"), (0, b"\x00A")]
        assert await peer.read_frame() == expected[0]
        await peer.stream.send_all(message(b"ALOL"))
        assert await sub.recv() == b"ALOL"
        sub.unsubscribe(b"A")
        assert await peer.read_frame() == expected[1]


@pytest.mark.parametrize(
    ("greeting", "command"),
    [(GREETING, True), (GREETING, False), (GREETING_30, False)],
    ids=["3.1 command", "3.1 message", "3.0 message"],
)
@pytest.mark.parametrize("kind", [trizmq.Pub, trizmq.XPub])
async def test_mock_pub_sub_publishing(kind: type[trizmq.XPub], greeting: bytes, command: bool) -> None:
    """test_mock_pub_sub: both forms are understood, and look the same to the application."""
    forms = [frame(b"\x09SUBSCRIBEA", 4), frame(b"\x06CANCELA", 4)] if command else [b"\x00\x02\x01A", b"\x00\x02\x00A"]
    async with kind() as pub:
        bound = await pub.bind("tcp://127.0.0.1:*")
        async with raw_connection(bound) as peer:
            await peer.shake_hands("SUB", greeting=greeting)
            await peer.stream.send_all(forms[0])
            await pub.wait_subscribed(b"A")
            if kind is trizmq.XPub:
                assert await pub.recv() == b"\x01A"
            await pub.send(b"ALOL")
            await pub.send(b"B")
            await pub.send([b"A", b"2"])
            assert await peer.read_message() == [b"ALOL"]
            assert await peer.read_message() == [b"A", b"2"]
            await peer.stream.send_all(forms[1])
            if kind is trizmq.XPub:
                assert await pub.recv() == b"\x00A"


@each_transport
async def test_notices_of_a_peer_that_flips_subscriptions(endpoint: str) -> None:
    """While the application receives nothing they are bounded, and what is wanted holds at once all the same."""
    async with trizmq.XPub(receive_hwm=10) as xpub, trizmq.XSub() as xsub:
        await meet(xpub, xsub, endpoint)
        for number in range(5000):
            await xsub.send(b"\1flip %d" % number)
            await xsub.send(b"\0flip %d" % number)
        await xsub.send(b"\1kept")
        await xpub.wait_subscribed("kept")
        assert xpub.topics_count == 1
        received = [await xpub.recv()]
        while received[-1] != b"\1kept":
            received.append(await xpub.recv())
        assert received == [b"%c" % kind + b"flip %d" % number for number in range(5) for kind in (1, 0)] + [b"\1kept"]

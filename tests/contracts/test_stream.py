"""libzmq's tests of STREAM, written anew (reference, section 4.1), and what trizmq promises besides."""

from __future__ import annotations

import socket
from typing import Any

import pytest
import trio
import trio.testing

import trizmq
from tests.interop.driver import until as told
from tests.runtime.helpers import GREETING, NOBODY, raw_listener, ready, task_names, until
from trizmq import EndpointError, HostUnreachable
from trizmq.testing import MemoryNetwork

pytestmark = pytest.mark.deadline(10)

FAST: dict[str, Any] = {"reconnect_interval": 0.01, "reconnect_interval_max": 0.05}


async def receive_bytes(stream: trizmq.Stream, routing_id: bytes, size: int) -> bytes:
    """So many bytes of one connection, in however many messages they come."""
    data = b""
    while len(data) < size:
        sender, chunk = await stream.receive()
        assert sender == routing_id
        assert chunk, f"the connection has ended after {len(data)} bytes"
        data += chunk
    assert len(data) == size
    return data


async def to_end(raw: trio.abc.ReceiveStream) -> bytes:
    return b"".join([bytes(data) async for data in raw])


async def dial(endpoint: str) -> trio.SocketStream:
    host, _, port = endpoint.removeprefix("tcp://").rpartition(":")
    return await trio.open_tcp_stream(host, int(port))


async def pair(server: trizmq.Stream, client: trizmq.Stream, **given: bytes) -> tuple[bytes, bytes]:
    """Bind one, connect the other; what the server and what the client calls the connection."""
    client.connect(await server.bind("tcp://127.0.0.1:*"), **given)
    (at_server, nothing), (at_client, nothing_either) = await server.receive(), await client.receive()
    assert (nothing, nothing_either) == (b"", b"")
    return at_server, at_client


# ---- libzmq's


async def test_hand_made_handshake_with_a_dealer() -> None:
    """test_stream, test_stream_to_dealer: a DEALER's greeting and READY byte for byte, then a message each way."""
    async with trizmq.Stream() as stream, trizmq.Dealer() as dealer:
        dealer.connect(await stream.bind("tcp://127.0.0.1:*"))
        routing_id, nothing = await stream.receive()
        assert (len(routing_id), routing_id[:1], nothing) == (5, b"\0", b"")
        signature = await receive_bytes(stream, routing_id, 10)
        assert signature == b"\xff" + bytes(7) + b"\1\x7f"
        await stream.send([routing_id, GREETING])
        rest = await receive_bytes(stream, routing_id, 54 + len(ready("DEALER", b"")))
        assert rest == b"\3\1NULL" + bytes(16) + bytes(32) + ready("DEALER", b"")
        await stream.send([routing_id, ready("ROUTER", b"")])
        await stream.send([routing_id, b"\0\5World"])
        assert await dealer.receive() == [b"World"]
        await dealer.send(b"Hello")
        assert await receive_bytes(stream, routing_id, 7) == b"\0\5Hello"


async def test_large_transfer() -> None:
    """test_stream: 64,000 bytes arrive whole."""
    async with trizmq.Stream() as server, trizmq.Stream() as client:
        at_server, at_client = await pair(server, client)
        data = bytes(range(250)) * 256
        await client.send([at_client, data])
        assert await receive_bytes(server, at_server, 64_000) == data


async def test_http_between_two_streams() -> None:
    """test_stream, test_stream_to_stream: a request, its response, and the server closes."""
    async with trizmq.Stream() as server, trizmq.Stream(reconnect_stop=trizmq.ReconnectStop.AFTER_DISCONNECT) as client:
        at_server, at_client = await pair(server, client)
        await client.send([at_client, b"GET /\n\n"])
        assert await receive_bytes(server, at_server, 7) == b"GET /\n\n"
        response = b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nHello, World!"
        await server.send([at_server, response])
        await server.send([at_server, b""])
        assert await receive_bytes(client, at_client, len(response)) == response
        assert await client.receive() == [at_client, b""]
        with pytest.raises(HostUnreachable):
            await server.send([at_server, b"too late"])
        await server.wait_drained()
        await until(lambda: not server.peers())
        assert not server.readable, "who closes is given no notice"


async def test_stream_disconnect() -> None:
    """test_stream_disconnect: a dialogue of lines over two connections, each ended by an empty frame, once by either side."""
    for closing in ("client", "server"):
        async with trizmq.Stream() as server, trizmq.Stream(**FAST) as client:
            at_server, at_client = await pair(server, client)
            for line in (b"Hello, World!", b"We come in peace.", b"Or not."):
                await client.send([at_client, line])
                assert await receive_bytes(server, at_server, len(line)) == line
                await server.send([at_server, line[::-1]])
                assert await receive_bytes(client, at_client, len(line)) == line[::-1]
            if closing == "client":
                await client.send([at_client, b""])
                assert await server.receive() == [at_server, b""]
                await until(lambda: not client.peers())
                assert not client.readable
            else:
                await server.send([at_server, b""])
                assert await client.receive() == [at_client, b""]
                assert await client.receive() == [at_client, b""], "a connecting side comes back"
                again, _ = await server.receive()
                assert again != at_server


async def test_stream_empty() -> None:
    """test_stream_empty: empty bytes to a DEALER's connection end it, and harm nobody."""
    async with trizmq.Stream() as stream, trizmq.Dealer(linger=0, **FAST) as dealer, dealer.events() as events:
        dealer.connect(await stream.bind("tcp://127.0.0.1:*"))
        await dealer.send(b"")
        routing_id, nothing = await stream.receive()
        assert nothing == b""
        await stream.send([routing_id, b""])
        await told(events, trizmq.ConnectRetried)
        while (await stream.receive())[0] == routing_id:
            pass


async def test_stream_exceeds_buffer() -> None:
    """test_stream_exceeds_buffer: a first chunk of 8193 bytes is not corrupted."""
    async with trizmq.Stream() as server:
        endpoint = await server.bind("tcp://127.0.0.1:*")
        data = bytes(at % 251 for at in range(8193))
        async with await dial(endpoint) as raw:
            routing_id, _ = await server.receive()
            await server.send([routing_id, data])
            received = b""
            while len(received) < len(data):
                received += await raw.receive_some()
            assert received == data


@pytest.mark.parametrize("named", [b"", b"peer"])
async def test_connect_rid(named: bytes) -> None:
    """test_connect_rid: addressing at once by the id given at connect; without one, by the id that was made."""
    async with trizmq.Stream() as server, trizmq.Stream() as client:
        endpoint = await server.bind("tcp://127.0.0.1:*")
        client.connect(endpoint, routing_id=named)
        (peer,) = client.peers()
        assert peer.routing_id == named if named else (len(peer.routing_id), peer.routing_id[:1]) == (5, b"\0")
        await client.send([peer.routing_id, b"hello"])
        assert await client.receive() == [peer.routing_id, b""]
        at_server, _ = await server.receive()
        assert await receive_bytes(server, at_server, 5) == b"hello"
        await server.send([at_server, b"world"])
        assert await receive_bytes(client, peer.routing_id, 5) == b"world"


async def test_connect_rid_while_a_message_waits() -> None:
    """test_connect_rid: an id given at connect goes to that connection, not to one that comes in meanwhile."""
    async with trizmq.Stream() as server, trizmq.Stream() as hub:
        inward, outward = await hub.bind("tcp://127.0.0.1:*"), await server.bind("tcp://127.0.0.1:*")
        async with await dial(inward) as raw:
            await raw.send_all(b"pending")
            await hub.wait_readable()
            hub.connect(outward, routing_id=b"outward")
            first, nothing = await hub.receive()
            assert (first[:1], nothing) == (b"\0", b"")
            assert await hub.receive() == [first, b"pending"]
            assert await hub.receive() == [b"outward", b""]


async def test_many_connections() -> None:
    """As test_issue_566: each of 100 connections is reached by its id as soon as it is known."""
    async with trizmq.Stream() as server, trio.open_nursery() as nursery:
        endpoint = await server.bind("tcp://127.0.0.1:*")
        answers: list[bytes] = []

        async def client(number: int) -> None:
            async with await dial(endpoint) as raw:
                await raw.send_all(b"%03d" % number)
                answers.append(bytes(await to_end(raw)))

        for number in range(100):
            nursery.start_soon(client, number)
        asked: dict[bytes, bytes] = {}
        while len(asked) < 100:
            routing_id, data = await server.receive()
            if data:
                asked[routing_id] = data
                await server.send([routing_id, b"to " + data])
                await server.send([routing_id, b""])
        await until(lambda: len(answers) == 100)
        assert sorted(answers) == [b"to %03d" % number for number in range(100)]


# ---- what trizmq promises


async def test_notices_can_be_had_or_not() -> None:
    async with trizmq.Stream(stream_notify=False) as server:
        async with await dial(await server.bind("tcp://127.0.0.1:*")) as raw:
            await raw.send_all(b"all there is")
            routing_id, data = await server.receive()
            assert data == b"all there is"
        await until(lambda: not server.peers())
        assert not server.readable
        with pytest.raises(HostUnreachable):
            await server.send([routing_id, b"x"])


async def test_who_has_gone_is_unknown_by_the_time_of_its_notice() -> None:
    async with trizmq.Stream() as server:
        async with await dial(await server.bind("tcp://127.0.0.1:*")) as raw:
            await raw.send_all(b"last words")
            routing_id, _ = await server.receive()
        assert await server.receive() == [routing_id, b"last words"]
        assert await server.receive() == [routing_id, b""]
        with pytest.raises(HostUnreachable, match="has ended"):
            server.send_nowait([routing_id, b"x"])


@pytest.mark.parametrize("transport", ["tcp", "ipc"])
async def test_back_pressure_and_order(transport: str, tmp_path: object) -> None:
    """The sender waits for a peer that does not read; then everything arrives, in order. No chunk is kept beyond the HWM."""
    endpoint = "tcp://127.0.0.1:*" if transport == "tcp" else f"ipc://{tmp_path}/s"
    async with (
        trizmq.Stream(send_hwm=4, send_buffer=32768) as server,
        trizmq.Stream(receive_hwm=2, receive_buffer=32768) as client,
        trio.open_nursery() as nursery,
    ):
        client.connect(await server.bind(endpoint), routing_id=b"S")
        routing_id, _ = await server.receive()
        sent = 0

        async def send() -> None:
            nonlocal sent
            for number in range(200):
                await server.send([routing_id, bytes([number]) * 20_000])
                sent += 1
            await server.send([routing_id, b""])

        nursery.start_soon(send)
        await trio.testing.wait_all_tasks_blocked(0.05)
        held = sent
        assert held < 150
        assert client.statistics().peers[0].inbound <= 3, "two chunks and the notice"
        assert not server.writable
        assert await client.receive() == [b"S", b""]
        data = await receive_bytes(client, b"S", 4_000_000)
        assert data == b"".join(bytes([number]) * 20_000 for number in range(200))


async def test_a_reader_that_does_not_keep_up_stops_the_peer() -> None:
    async with trizmq.Stream(receive_hwm=3, receive_buffer=4096) as server:
        async with await dial(await server.bind("tcp://127.0.0.1:*")) as raw:
            await server.receive()
            with trio.move_on_after(0.2) as waiting:
                await raw.send_all(bytes(50_000_000))
            assert waiting.cancelled_caught
        assert server.statistics().peers[0].inbound <= 3


async def test_cancelled_sends_and_receives_lose_nothing() -> None:
    async with trizmq.Stream(send_hwm=1, send_buffer=4096) as server, trizmq.Stream(receive_buffer=4096) as client:
        at_server, at_client = await pair(server, client)
        with trio.move_on_after(0.05):
            await client.receive()
        sent = 0
        with trio.move_on_after(0.2):
            client.receive_hwm = 1
            while True:
                await server.send([at_server, b"%08d" % sent * 10_000])
                sent += 1
        data = await receive_bytes(client, at_client, sent * 80_000)
        assert data == b"".join(b"%08d" % number * 10_000 for number in range(sent))
        assert not client.readable


async def test_the_close_waits_for_what_was_sent_before() -> None:
    """libzmq too delivers what was sent before the empty frame (measured with 5 MB)."""
    async with trizmq.Stream() as server:
        async with await dial(await server.bind("tcp://127.0.0.1:*")) as raw:
            routing_id, _ = await server.receive()
            await raw.send_all(b"never read")
            await server.send_many([[routing_id, bytes(1_000_000)] for _ in range(5)])
            await server.send([routing_id, b""])
            assert len(await to_end(raw)) == 5_000_000
        await until(lambda: not server.peers())


async def test_the_close_is_bounded_by_linger() -> None:
    async with trizmq.Stream(linger=0.05, send_buffer=4096) as server, server.events() as events:
        async with await dial(await server.bind("tcp://127.0.0.1:*")):
            routing_id, _ = await server.receive()
            await server.send_many([[routing_id, bytes(1_000_000)] for _ in range(100)])
            await server.send([routing_id, b""])
            assert (await told(events, trizmq.Disconnected)).routing_id == routing_id
        assert server.statistics().drops[trizmq.DropReason.LINGER] > 0


async def test_a_close_while_the_peer_writes_and_we_are_full() -> None:
    """Who closes does not read any more; a peer that writes first and reads then must not hold that up."""
    async with trizmq.Stream(receive_hwm=1, receive_buffer=4096, send_buffer=4096) as server:
        async with await dial(await server.bind("tcp://127.0.0.1:*")) as raw, trio.open_nursery() as nursery:
            routing_id, _ = await server.receive()
            nursery.start_soon(raw.send_all, bytes(20_000_000))
            await trio.testing.wait_all_tasks_blocked(0.05)
            await server.send([routing_id, bytes(5_000_000)])
            await server.send([routing_id, b""])
            received = 0
            async for data in raw:
                received += len(data)
            assert received == 5_000_000
            nursery.cancel_scope.cancel()


async def test_closing_before_there_is_a_connection() -> None:
    async with trizmq.Stream() as stream, stream.events() as events:
        stream.connect(NOBODY, routing_id=b"A")
        await stream.send([b"A", b""])
        assert (await told(events, trizmq.Closed)).endpoint == NOBODY
        assert stream.peers() == ()
        with pytest.raises(EndpointError):
            stream.disconnect(NOBODY)
        stream.connect(NOBODY, routing_id=b"A")


async def test_what_was_sent_before_a_connection_is_written_and_then_closed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        endpoint = f"tcp://127.0.0.1:{probe.getsockname()[1]}"
    async with trizmq.Stream(**FAST) as client:
        client.connect(endpoint, routing_id=b"A")
        await client.send([b"A", b"early"])
        await client.send([b"A", b""])
        host, port = endpoint.removeprefix("tcp://").split(":")
        (listener,) = await trio.open_tcp_listeners(int(port), host=host)
        async with listener, await listener.accept() as raw:
            assert await to_end(raw) == b"early"
        await until(lambda: not client.peers())


async def test_disconnect_and_unbind() -> None:
    async with trizmq.Stream() as server, trizmq.Stream() as client:
        endpoint = await server.bind("tcp://127.0.0.1:*")
        client.connect(endpoint, routing_id=b"A")
        at_server, _ = await server.receive()
        assert await client.receive() == [b"A", b""]
        client.disconnect(endpoint)
        assert await server.receive() == [at_server, b""]
        assert not client.readable
        client.connect(endpoint, routing_id=b"A")
        again, _ = await server.receive()
        assert await client.receive() == [b"A", b""]
        server.unbind(endpoint)
        assert await server.receive() == [again, b""]
        assert await client.receive() == [b"A", b""]


async def test_disconnect_loses_nothing_although_input_is_unread() -> None:
    """Closing TCP with unread input resets it, and what the peer's system has not given out is gone."""
    async with raw_listener() as listener, trizmq.Stream(receive_hwm=1, receive_buffer=4096) as client:
        client.connect(listener.endpoint, routing_id=b"A")
        raw = (await listener.accept()).stream
        with trio.move_on_after(0.1):
            await raw.send_all(bytes(10_000_000))
        await client.send([b"A", bytes(50_000)])
        await client.wait_drained()
        client.disconnect(listener.endpoint)
        while client.peers():
            with trio.move_on_after(0.05):
                await client.receive()
        assert len(await to_end(raw)) == 50_000


async def test_on_a_network_in_memory(autojump_clock: trio.testing.MockClock) -> None:
    network = MemoryNetwork()
    async with trio.open_nursery() as nursery:

        async def serve(task_status: trio.TaskStatus[str]) -> None:
            with network.host("server"):
                async with trizmq.Stream() as server:
                    task_status.started(await server.bind("tcp://*:80"))
                    async for name, data in server:
                        if data:
                            await server.send([name, data.upper()])
                            await server.send([name, b""])

        await nursery.start(serve)
        with network.host("client"):
            async with trizmq.Stream(reconnect_interval=60) as client:
                client.connect("tcp://server:80", routing_id=b"S")
                await client.send([b"S", b"hello"])
                assert [await client.receive() for _ in range(3)] == [[b"S", b""], [b"S", b"HELLO"], [b"S", b""]]
        nursery.cancel_scope.cancel()


async def test_nothing_is_said_to_a_peer_that_is_silent(autojump_clock: trio.testing.MockClock) -> None:
    """No handshake timer, as in libzmq, and no heartbeat: a protocol that we do not know may be silent for an hour."""
    options: dict[str, Any] = {"handshake_timeout": 1, "heartbeat_interval": 1, "heartbeat_ttl": 1}
    network = MemoryNetwork()
    with network.host("here"):
        async with trizmq.Stream(**options) as server, trizmq.Stream(**options) as client:
            client.connect(await server.bind("tcp://127.0.0.1:80"), routing_id=b"S")
            at_server, _ = await server.receive()
            await trio.sleep(3600)
            await server.send([at_server, b"still there"])
            assert [await client.receive() for _ in range(2)] == [[b"S", b""], [b"S", b"still there"]]
            assert client.statistics().bytes_received == 11
            assert server.statistics().bytes_received == 0


async def test_a_chunk_that_was_cut_goes_out_whole_on_the_next_connection() -> None:
    async with raw_listener() as listener, trizmq.Stream(**FAST) as client:
        client.connect(listener.endpoint, routing_id=b"A")
        first = (await listener.accept()).stream
        data = bytes(range(256)) * 120_000  # more than two systems hold
        for part in (b"1", data, b"3"):
            await client.send([b"A", part])
        received = b""
        while len(received) < 100_000:
            received += await first.receive_some(100_000)
        assert received == (b"1" + data)[: len(received)]
        await trio.aclose_forcefully(first)
        second = (await listener.accept()).stream
        await client.send([b"A", b""])
        assert await to_end(second) == data + b"3"
        assert client.statistics().messages_sent == 3


async def test_the_connecting_side_comes_back_under_its_id() -> None:
    async with trizmq.Stream() as server, trizmq.Stream(**FAST) as client:
        at_server, _ = await pair(server, client, routing_id=b"S")
        server.disconnect_peer(at_server)
        assert await server.receive() == [at_server, b""]
        again, nothing = await server.receive()
        assert (again != at_server, nothing) == (True, b"")
        assert [await client.receive() for _ in range(2)] == [[b"S", b""]] * 2
        await client.send([b"S", b"back"])
        assert await receive_bytes(server, again, 4) == b"back"
        assert client.statistics().reconnects == 1


async def test_a_waiting_send_hears_that_its_peer_has_gone() -> None:
    async with trizmq.Stream(send_hwm=1, send_buffer=4096) as server, trio.open_nursery() as nursery:
        raw = await dial(await server.bind("tcp://127.0.0.1:*"))
        routing_id, _ = await server.receive()
        heard = trio.Event()

        async def send() -> None:
            with pytest.raises(HostUnreachable):
                while True:
                    await server.send([routing_id, bytes(1_000_000)])
            heard.set()

        nursery.start_soon(send)
        await trio.testing.wait_all_tasks_blocked(0.05)
        await trio.aclose_forcefully(raw)
        await heard.wait()


@pytest.mark.parametrize("how", ["empty frame", "disconnect"])
async def test_a_waiting_send_hears_that_its_connection_was_closed_here(how: str) -> None:
    async with raw_listener() as listener, trizmq.Stream(send_hwm=1, send_buffer=4096, linger=0.1) as client:
        client.connect(listener.endpoint, routing_id=b"A")
        await listener.accept()
        async with trio.open_nursery() as nursery:

            async def send() -> None:
                with pytest.raises(HostUnreachable):
                    while True:
                        await client.send([b"A", bytes(1_000_000)])
                assert client.peers(), "at once, not when it has ended"

            client.linger = 60
            nursery.start_soon(send)
            await trio.testing.wait_all_tasks_blocked(0.05)
            if how == "disconnect":
                client.disconnect(listener.endpoint)
            else:
                await client.send([b"A", b""])
        client.linger = 0


async def test_linger_writes_what_is_queued() -> None:
    async with trizmq.Stream(send_hwm=0) as server:
        raw = await dial(await server.bind("tcp://127.0.0.1:*"))
        routing_id, _ = await server.receive()
        received: list[bytes] = []

        async def read() -> None:
            received.append(await to_end(raw))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            await server.send_many([[routing_id, bytes(100_000)] for _ in range(100)])
            await server.aclose()
        assert len(received[0]) == 10_000_000
        await raw.aclose()


async def test_what_is_seen_of_a_connection() -> None:
    async with trizmq.Stream() as server, server.events() as events:
        endpoint = await server.bind("tcp://127.0.0.1:*")
        async with await dial(endpoint) as raw:
            await raw.send_all(b"12345")
            info, (routing_id, _) = await server.receive_from()
            host, port = raw.socket.getsockname()
            assert (info.address, info.routing_id, info.connected) == (f"{host}:{port}", routing_id, True)
            assert (info.socket_type, info.mechanism, info.connecting) == ("", "", False)
            await server.receive()
            await server.send([routing_id, b"123"])
            await server.wait_drained()
            assert await raw.receive_some() == b"123"
        assert await server.receive() == [routing_id, b""]
        seen = server.statistics()
        assert (seen.bytes_received, seen.bytes_sent, seen.messages_sent) == (5, 3, 1)
        assert (seen.connections_accepted, seen.disconnects, seen.handshakes_failed) == (1, 1, 0)
        server.unbind(endpoint)
        kinds = []
        async for event in events:
            kinds.append(type(event).__name__)
            if isinstance(event, trizmq.Closed):
                break
        assert kinds == ["Listening", "Accepted", "HandshakeSucceeded", "Disconnected", "Closed"]


async def test_limits() -> None:
    async with trizmq.Stream(max_connections=1) as server:
        endpoint = await server.bind("tcp://127.0.0.1:*")
        async with await dial(endpoint) as first, await dial(endpoint) as second:
            assert await to_end(second) == b""
            await first.send_all(b"x")
            routing_id, _ = await server.receive()
            assert await server.receive() == [routing_id, b"x"]
    async with trizmq.Stream(accept_filter=lambda peer: False) as server:
        async with await dial(await server.bind("tcp://127.0.0.1:*")) as refused:
            assert await to_end(refused) == b""
        assert not server.readable


async def test_inproc_is_refused() -> None:
    async with trizmq.Stream() as stream:
        with pytest.raises(EndpointError, match="use tcp or ipc"):
            await stream.bind("inproc://here")
        with pytest.raises(EndpointError, match="use tcp or ipc"):
            stream.connect("inproc://here")
        assert stream.peers() == ()


async def test_a_message_of_another_shape_is_refused() -> None:
    async with trizmq.Stream() as stream:
        for message in (b"id", [b"id"], [b"id", b"x", b"y"]):
            with pytest.raises(ValueError, match="two frames"):
                await stream.send(message)


async def test_no_task_is_left() -> None:
    async with trizmq.Stream() as server, trizmq.Stream() as client:
        at_server, _ = await pair(server, client)
        await server.send([at_server, b""])
        await until(lambda: not server.peers())
        assert not [name for name in task_names() if "Stream-1" in name and ("session" in name or "linger" in name)]
    assert task_names() == []


async def test_a_socket_that_listens_already() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        async with trizmq.Stream() as server:
            async with await dial(await server.bind_socket(listening)) as raw:
                routing_id, _ = await server.receive()
                await server.send([routing_id, b"hello"])
                assert await raw.receive_some() == b"hello"

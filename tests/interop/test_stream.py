"""STREAM against libzmq's, and against programs that know no ZeroMQ: an HTTP client and an HTTP server of the library."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import trio

import trizmq
from tests.interop.driver import PeerProcess
from tests.runtime.helpers import until

pytestmark = pytest.mark.deadline(30)


class Gathered:
    """What comes from the connections of a STREAM, put together."""

    def __init__(self, stream: trizmq.Stream) -> None:
        self._stream = stream
        self.data: dict[bytes, bytes] = {}
        self.notices: list[bytes] = []

    async def more(self) -> bytes:
        """Take one message; whose it was."""
        name, data = await self._stream.receive()
        if data:
            self.data[name] = self.data.get(name, b"") + data
        else:
            self.notices.append(name)
        return name


@pytest.mark.parametrize("binder", ["ours", "theirs"])
async def test_dialogue_with_libzmq(binder: str, peer: PeerProcess) -> None:
    """Notices, bytes each way, and each side's way of ending it, whoever binds."""
    theirs = await peer.open("STREAM")
    async with trizmq.Stream(reconnect_interval=0.01) as ours:
        if binder == "ours":
            await theirs.connect(await ours.bind("tcp://127.0.0.1:*"))
        else:
            ours.connect(await theirs.bind("tcp://127.0.0.1:*"))
        name, nothing = await ours.receive()
        ((their_name, notice),) = await theirs.recv()
        assert (nothing, notice) == (b"", "")
        await ours.send([name, b"Hello"])
        assert await theirs.recv() == [[their_name, b"Hello".hex()]]
        await theirs.send([bytes.fromhex(their_name), b"World"])
        assert await ours.receive() == [name, b"World"]
        await theirs.send([bytes.fromhex(their_name), b"bye"], [bytes.fromhex(their_name), b""])
        assert await ours.receive() == [name, b"bye"]
        await theirs.do("recv_waiting")  # libzmq closes the connection when the application calls in again
        assert await ours.receive() == [name, b""]


@pytest.mark.parametrize("binder", ["ours", "theirs"])
async def test_we_close(binder: str, peer: PeerProcess) -> None:
    theirs = await peer.open("STREAM")
    async with trizmq.Stream() as ours:
        if binder == "ours":
            await theirs.connect(await ours.bind("tcp://127.0.0.1:*"))
        else:
            ours.connect(await theirs.bind("tcp://127.0.0.1:*"))
        name, _ = await ours.receive()
        ((their_name, _),) = await theirs.recv()
        await ours.send([name, b"bye"])
        await ours.send([name, b""])
        assert await theirs.recv(2) == [[their_name, b"bye".hex()], [their_name, ""]]


async def test_much_each_way(peer: PeerProcess) -> None:
    """Ten megabytes both ways at once; libzmq's chunks are smaller than ours, and the bytes are the same."""
    theirs = await peer.open("STREAM", CONNECT_ROUTING_ID="ours", SNDHWM=0, RCVHWM=0)
    async with trizmq.Stream(send_hwm=0) as ours:
        await theirs.connect(await ours.bind("tcp://127.0.0.1:*"))
        gathered = Gathered(ours)
        name = await gathered.more()
        data = bytes(range(256)) * 4096
        for _ in range(10):
            await ours.send([name, data])
        sending = await theirs.begin("send", messages=[[b"ours".hex(), data.hex()]] * 10)
        await sending.answer()
        while len(gathered.data.get(name, b"")) < 10 * len(data):
            await gathered.more()
        assert gathered.data[name] == data * 10
        await ours.wait_drained()
        received = 0
        while received < 10 * len(data):
            for sender, chunk in await theirs.recv():
                assert sender == b"ours".hex()
                received += int(chunk.split()[0]) if " bytes" in chunk else len(chunk) // 2
        assert received == 10 * len(data)


async def test_libzmq_speaks_zmtp_to_a_stream(peer: PeerProcess) -> None:
    """A DEALER of libzmq sends its greeting, byte for byte what the reference says."""
    dealer = await peer.open("DEALER")
    async with trizmq.Stream() as ours:
        await dealer.connect(await ours.bind("tcp://127.0.0.1:*"))
        gathered = Gathered(ours)
        name = await gathered.more()
        while len(gathered.data.get(name, b"")) < 10:
            await gathered.more()
        assert gathered.data[name][:10] == b"\xff" + bytes(7) + b"\1\x7f"


HTTP_CLIENT = """
import http.client, sys
for number in range(20):
    connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=20)
    body = bytes([number]) * (number * 10_000)
    connection.request("POST", "/echo", body=body)
    response = connection.getresponse()
    assert response.status == 200, response.status
    assert response.read() == body, number
    connection.close()
print("done")
"""

HTTP_SERVER = """
import functools, http.server, sys
handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=sys.argv[1])
with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
    print(server.server_address[1], flush=True)
    server.serve_forever()
"""


async def test_a_server_for_http_clients() -> None:
    """``http.client`` in another process posts, and gets its body back; the end of the connection is the end of the body."""
    async with trizmq.Stream() as server, trio.open_nursery() as nursery:
        endpoint = await server.bind("tcp://127.0.0.1:*")

        async def serve() -> None:
            requests: dict[bytes, bytes] = {}
            async for name, data in server:
                requests[name] = request = requests.get(name, b"") + data
                head, complete, body = request.partition(b"\r\n\r\n")
                if not complete:
                    continue
                (length,) = [line[15:] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
                if len(body) == int(length):
                    await server.send([name, b"HTTP/1.0 200 OK\r\nContent-Type: application/octet-stream\r\n\r\n"])
                    if body:
                        await server.send([name, body])
                    await server.send([name, b""])
                    del requests[name]

        nursery.start_soon(serve)
        done = await trio.run_process(
            [sys.executable, "-c", HTTP_CLIENT, endpoint.rpartition(":")[2]], capture_stdout=True
        )
        assert done.stdout == b"done\n"
        await until(lambda: not server.peers())
        assert server.statistics().connections_accepted == 20
        nursery.cancel_scope.cancel()


async def test_a_client_of_an_http_server(tmp_path: Path) -> None:
    """A file of 3 MB from ``http.server`` in another process, whole."""
    content = bytes(range(256)) * 12_000
    (tmp_path / "file.bin").write_bytes(content)
    process = await trio.lowlevel.open_process(
        [sys.executable, "-c", HTTP_SERVER, str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        assert process.stdout is not None
        port = int(await process.stdout.receive_some())
        async with trizmq.Stream(reconnect_stop=trizmq.ReconnectStop.AFTER_DISCONNECT) as client:
            client.connect(f"tcp://127.0.0.1:{port}", routing_id=b"server")
            await client.send([b"server", b"GET /file.bin HTTP/1.0\r\n\r\n"])
            gathered = Gathered(client)
            while len(gathered.notices) < 2:
                await gathered.more()
        head, _, body = gathered.data[b"server"].partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.0 200 OK\r\n")
        assert body == content
    finally:
        with trio.CancelScope(shield=True):
            process.kill()
            await process.wait()
            assert process.stdout is not None
            await process.stdout.aclose()


async def test_over_ipc(peer: PeerProcess, wildcard: Callable[[str], str]) -> None:
    """libzmq binds a STREAM to ipc as well, and so do we."""
    theirs = await peer.open("STREAM")
    async with trizmq.Stream() as ours:
        ours.connect(await theirs.bind(wildcard("ipc")), routing_id=b"A")
        ((their_name, notice),) = await theirs.recv()
        assert (await ours.receive(), notice) == ([b"A", b""], "")
        await ours.send([b"A", b"Hello"])
        assert await theirs.recv() == [[their_name, b"Hello".hex()]]
        await theirs.send([bytes.fromhex(their_name), b"World"])
        assert await ours.receive() == [b"A", b"World"]

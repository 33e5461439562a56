"""Jupyter's messages (its protocol 5.3), and a kernel made of trizmq sockets. Nothing of Jupyter's own is used for it."""

from __future__ import annotations

import hashlib
import hmac
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import trio

import trizmq
from trizmq import auth
from trizmq.keys import KeyPair

DELIMITER = b"<IDS|MSG>"
LARGE = 300_000
CHANNELS = ("shell", "control", "stdin", "iopub", "hb")


@dataclass(frozen=True)
class Message:
    """One message: who it is from or for, and its four parts but for the metadata."""

    idents: list[bytes]
    header: dict[str, Any]
    parent: dict[str, Any]
    content: dict[str, Any]

    @property
    def kind(self) -> str:
        return str(self.header["msg_type"])


class Wire:
    """Packs messages and signs them; unpacks them and checks the signature."""

    def __init__(self, key: str) -> None:
        self._key = key.encode()
        self.session = uuid.uuid4().hex

    def pack(
        self, kind: str, content: dict[str, Any], parent: Message | None = None, idents: list[bytes] | None = None
    ) -> list[bytes]:
        header = {
            "msg_id": uuid.uuid4().hex,
            "session": self.session,
            "username": "trizmq",
            "date": "2000-01-01T00:00:00Z",
            "msg_type": kind,
            "version": "5.3",
        }
        parts = [json.dumps(part).encode() for part in (header, parent.header if parent else {}, {}, content)]
        return [*(idents or []), DELIMITER, self._sign(parts), *parts]

    def unpack(self, frames: list[bytes]) -> Message:
        at = frames.index(DELIMITER)
        signature, *parts = frames[at + 1 :]
        assert hmac.compare_digest(signature, self._sign(parts[:4]))
        header, parent, _, content = map(json.loads, parts[:4])
        return Message(frames[:at], header, parent, content)

    def _sign(self, parts: list[bytes]) -> bytes:
        return hmac.new(self._key, b"".join(parts), hashlib.sha256).hexdigest().encode()


def connection_info(keys: KeyPair, ports: dict[str, int]) -> dict[str, Any]:
    """What is in a connection file. The clients are given the kernel's own pair of keys, and use it as theirs."""
    return {
        "ip": "127.0.0.1",
        "transport": "tcp",
        "key": uuid.uuid4().hex,
        "signature_scheme": "hmac-sha256",
        "curve_publickey": keys.public_z85,
        "curve_secretkey": keys.secret_z85,
        **{f"{name}_port": port for name, port in ports.items()},
    }


class Kernel:
    """Answers as a kernel does. Its one language: code is a question, asked by ``stdin``; the output greets, and is long."""

    def __init__(self, keys: KeyPair) -> None:
        # Whoever has the connection file has this key; but jupyter_client's heartbeat makes a new one for itself.
        owner = trizmq.CurveServer(keys.secret, authenticator=auth.allowed_keys({"owner": keys.public}))
        anybody = trizmq.CurveServer(keys.secret, authenticator=auth.allow_any)
        self.shell, self.control, self.stdin = (trizmq.Router(security=owner) for _ in range(3))
        self.iopub, self.hb = trizmq.Pub(security=owner), trizmq.Rep(security=anybody)
        self.beats = 0
        self.asked: list[str] = []  # the types of the requests
        self.users: set[str] = set()
        self.info: dict[str, Any] = {}
        self.wire = Wire("")

    async def serve(self) -> None:
        """Until a client asks for the end."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._beat)
            nursery.start_soon(self._answer, self.shell)
            await self._answer(self.control)
            nursery.cancel_scope.cancel()

    async def _beat(self) -> None:
        async for ping in self.hb:
            self.beats += 1
            await self.hb.send(ping)

    async def _answer(self, socket: trizmq.Router) -> None:
        while True:
            peer, frames = await socket.receive_from()
            self.users.add(peer.user_id)
            request = self.wire.unpack(frames)
            self.asked.append(request.kind)
            await self.iopub.wait_subscribed(b"")
            await self._publish("status", {"execution_state": "busy"}, request)
            kind, content = await self._reply(request)
            await socket.send(self.wire.pack(kind, content, request, request.idents))
            await self._publish("status", {"execution_state": "idle"}, request)
            if request.kind == "shutdown_request":
                await socket.wait_drained()
                return

    async def _publish(self, kind: str, content: dict[str, Any], parent: Message) -> None:
        await self.iopub.send(self.wire.pack(kind, content, parent, [f"kernel.{kind}".encode()]))

    async def _reply(self, request: Message) -> tuple[str, dict[str, Any]]:
        match request.kind:
            case "kernel_info_request":
                return "kernel_info_reply", {
                    "status": "ok",
                    "protocol_version": "5.3",
                    "implementation": "trizmq",
                    "implementation_version": "1",
                    "language_info": {
                        "name": "greeting",
                        "version": "1",
                        "mimetype": "text/plain",
                        "file_extension": "",
                    },
                    "banner": "",
                    "help_links": [],
                }
            case "execute_request":
                question = {"prompt": request.content["code"], "password": False}
                await self.stdin.send(self.wire.pack("input_request", question, request, request.idents))
                answer = self.wire.unpack(await self.stdin.receive()).content["value"]
                await self._publish("stream", {"name": "stdout", "text": f"hello, {answer}"}, request)
                await self._publish("stream", {"name": "stdout", "text": "x" * LARGE}, request)
                return "execute_reply", {"status": "ok", "execution_count": 1, "user_expressions": {}, "payload": []}
            case "shutdown_request":
                return "shutdown_reply", {"status": "ok", "restart": False}
        raise AssertionError(f"a {request.kind} comes from no client of these tests")


@asynccontextmanager
async def kernel() -> AsyncIterator[Kernel]:
    """A kernel that is bound, and what is to be in its connection file."""
    keys = auth.keygen()
    made = Kernel(keys)
    async with AsyncExitStack() as stack:
        ports = {}
        for name in CHANNELS:
            socket = await stack.enter_async_context(getattr(made, name))
            ports[name] = int((await socket.bind("tcp://127.0.0.1:*")).rpartition(":")[2])
        made.info = connection_info(keys, ports)
        made.wire = Wire(made.info["key"])
        yield made

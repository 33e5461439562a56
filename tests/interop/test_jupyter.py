"""A real client and a real server with CURVE: Jupyter's transport encryption, ours on either side of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from importlib import metadata
from pathlib import Path

import pytest
import trio

import trizmq
from tests.interop.driver import until
from tests.interop.jupyter import CHANNELS, LARGE, Message, Wire, connection_info, kernel
from trizmq import auth

TIME = 50


def installed(name: str, least: tuple[int, ...]) -> bool:
    try:
        return tuple(map(int, metadata.version(name).split(".")[:2])) >= least
    except metadata.PackageNotFoundError:
        return False


#: The first versions with transport encryption that these tests were written against.
needs_client = pytest.mark.skipif(
    not installed("jupyter-client", (8, 10)), reason="jupyter_client 8.10 or later is not installed (group interop)"
)
needs_kernel = pytest.mark.skipif(
    not installed("ipykernel", (7, 4)), reason="ipykernel 7.4 or later is not installed (group interop)"
)

CLIENT = """
import json, sys
from jupyter_client import BlockingKernelClient

client = BlockingKernelClient()
client.load_connection_file(sys.argv[1])
assert client.curve_publickey and client.curve_secretkey
client.start_channels()
client.wait_for_ready(timeout=30)
outputs = []
reply = client.execute_interactive(
    "who are you?",
    allow_stdin=True,
    stdin_hook=lambda message: client.input(message["content"]["prompt"].upper()),
    output_hook=lambda message: outputs.append(message["content"].get("text")),
    timeout=30,
)
client.shutdown()
ended = client.get_control_msg(timeout=30)
client.stop_channels()
print(json.dumps([reply["content"]["status"], [text for text in outputs if text], ended["content"]["status"]]))
"""


@needs_client
@pytest.mark.deadline(60)
async def test_jupyters_client_and_our_kernel(tmp_path: Path) -> None:
    """All five channels, and only for the owner of the connection file."""
    with trio.fail_after(TIME):
        async with kernel() as ours, trio.open_nursery() as nursery:
            file = tmp_path / "kernel.json"
            file.write_text(json.dumps(ours.info))
            nursery.start_soon(ours.serve)
            async with trizmq.Dealer(security=trizmq.CurveClient(server_key=ours.info["curve_publickey"])) as stranger:
                stranger.linger = 0
                events = stranger.events()
                stranger.connect(f"tcp://127.0.0.1:{ours.info['shell_port']}")
                assert (await until(events, trizmq.HandshakeFailedAuth)).code == 400
            done = await trio.run_process(
                [sys.executable, "-c", CLIENT, str(file)], capture_stdout=True, env=environment(tmp_path)
            )
    status, outputs, ended = json.loads(done.stdout)
    assert (status, ended) == ("ok", "ok")
    assert "".join(outputs) == "hello, WHO ARE YOU?" + "x" * LARGE
    assert {"kernel_info_request", "execute_request", "shutdown_request"} <= {*ours.asked}
    assert ours.users == {"owner"}
    assert ours.beats >= 1


def environment(home: Path) -> dict[str, str]:
    """Nothing of the user's own settings is read or written."""
    folders = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
    return os.environ | {name: str(home) for name in folders} | {"JUPYTER_PLATFORM_DIRS": "1"}


@needs_kernel
@pytest.mark.deadline(60)
async def test_ipython_s_kernel_and_our_client(tmp_path: Path, unbound: Callable[[str], str]) -> None:
    """All five channels; a socket of ours without CURVE is not let in."""
    keys = auth.keygen()
    ports = {name: int(unbound("tcp").rpartition(":")[2]) for name in CHANNELS}
    info = connection_info(keys, ports)
    file = tmp_path / "kernel.json"
    file.write_text(json.dumps(info))
    at = {name: f"tcp://127.0.0.1:{port}" for name, port in ports.items()}
    wire = Wire(info["key"])
    # The kernel asks nobody about its clients; what they have to know is its public key.
    curve = trizmq.CurveClient(server_key=info["curve_publickey"])
    with trio.fail_after(TIME):
        async with (
            trizmq.Dealer(security=curve, routing_id=b"us") as shell,
            trizmq.Dealer(security=curve, routing_id=b"us") as control,
            trizmq.Dealer(security=curve, routing_id=b"us") as stdin,
            trizmq.Sub(security=curve) as iopub,
            trizmq.Req(security=curve) as hb,
            trizmq.Req(linger=0) as plain,
            trio.open_nursery() as nursery,
        ):
            command = [sys.executable, "-m", "ipykernel_launcher", "-f", str(file)]
            run = partial(trio.run_process, command, env=environment(tmp_path), stdout=subprocess.DEVNULL)
            process = await nursery.start(run)
            iopub.subscribe(b"")
            for name, socket in (
                ("shell", shell),
                ("control", control),
                ("stdin", stdin),
                ("iopub", iopub),
                ("hb", hb),
            ):
                socket.connect(at[name])
            await stdin.wait_connected()
            while wire.unpack(await iopub.receive()).kind != "iopub_welcome":  # it knows of the subscription
                pass
            assert await hb.request(b"ping") == [b"ping"]

            async def ask(socket: trizmq.Dealer, kind: str, content: dict[str, object]) -> Message:
                await socket.send(wire.pack(kind, content))
                return wire.unpack(await socket.receive())

            assert (await ask(shell, "kernel_info_request", {})).content["implementation"] == "ipython"
            code = {"code": f"print(input('? ').upper()); print('x' * {LARGE})", "silent": False, "allow_stdin": True}
            await shell.send(wire.pack("execute_request", code))
            question = wire.unpack(await stdin.receive())
            assert (question.kind, question.content["prompt"]) == ("input_request", "? ")
            await stdin.send(wire.pack("input_reply", {"value": "hello", "status": "ok"}, question))
            assert wire.unpack(await shell.receive()).content["status"] == "ok"
            text = ""
            while len(text) < LARGE + len("HELLO\n\n"):
                told = wire.unpack(await iopub.receive())
                text += told.content["text"] if told.content.get("name") == "stdout" else ""
            assert text == "HELLO\n" + "x" * LARGE + "\n"

            events = plain.events()
            plain.connect(at["hb"])
            await until(events, trizmq.HandshakeFailed)  # whichever side was first to see that the mechanisms differ
            assert not plain.peers()[0].connected
            assert (await ask(control, "shutdown_request", {"restart": False})).kind == "shutdown_reply"
            await process.wait()

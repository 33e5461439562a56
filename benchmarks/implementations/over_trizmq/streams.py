"""One way, as fast as it goes."""

from __future__ import annotations

import trio

import trizmq

from ...control import Control
from ...measuring import Throughput
from ...model import Settings
from ..loops import areceive_until_enough, asend_for_ever, message, payload
from .opening import address, client_options, server_options

Receiving = trizmq.Pull | trizmq.Sub | trizmq.Router
Sending = trizmq.Push | trizmq.Dealer


async def receive_until_enough(sock: Receiving, settings: Settings, throughput: Throughput) -> None:
    if not settings.batched:
        await areceive_until_enough(sock.receive, settings, throughput)
        return
    most = settings.batch * 10
    while not throughput.count(len(await sock.receive_many(most))):
        pass


async def send_for_ever(sock: Sending, settings: Settings) -> None:
    if settings.batched:
        await asend_for_ever(sock.send_many, [message(settings)] * settings.batch)
    await asend_for_ever(sock.send, message(settings))


async def receive_stream(sock: trizmq.Pull | trizmq.Router, control: Control, settings: Settings) -> None:
    throughput = Throughput(settings)
    async with sock:
        control.tell_endpoint(await sock.bind(address(settings)))
        await receive_until_enough(sock, settings, throughput)
        control.tell_result(rate=throughput.rate)


async def send_stream(sock: Sending, endpoint: str, settings: Settings) -> None:
    async with sock:
        sock.connect(endpoint)
        await send_for_ever(sock, settings)


def pull(control: Control, settings: Settings) -> None:
    trio.run(receive_stream, trizmq.Pull(**server_options(settings)), control, settings)


def router(control: Control, settings: Settings) -> None:
    trio.run(receive_stream, trizmq.Router(**server_options(settings)), control, settings)


def push(control: Control, settings: Settings) -> None:
    trio.run(send_stream, trizmq.Push(**client_options(settings)), control.wait_endpoint(), settings)


def dealer(control: Control, settings: Settings) -> None:
    trio.run(send_stream, trizmq.Dealer(**client_options(settings)), control.wait_endpoint(), settings)


def count_all(control: Control, settings: Settings) -> None:
    async def main() -> None:
        missing = settings.messages
        async with trizmq.Pull() as sock:
            control.tell_endpoint(await sock.bind(address(settings)))
            while missing:
                with trio.move_on_after(1) as silence:
                    if settings.batched:
                        missing -= len(await sock.receive_many())
                    else:
                        await sock.receive()
                        missing -= 1
                if silence.cancelled_caught:
                    break
            control.tell_result(lost=missing)

    trio.run(main)


def send_and_close(control: Control, settings: Settings) -> None:
    endpoint = control.wait_endpoint()

    async def main() -> None:
        async with trizmq.Push() as sock:
            sock.connect(endpoint)
            if settings.batched:
                await sock.send_many([payload(settings)] * settings.messages)
            else:
                for _ in range(settings.messages):
                    await sock.send(payload(settings))

    trio.run(main)
    control.wait_end()

"""A server written with trizmq, and a client written with pyzmq in a process of its own. Needs ``pip install pyzmq``.

On the wire they speak the same protocol, so either side could be either of them.
"""

import sys

import trio
import zmq

import trizmq


async def serve_with_trizmq(task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED) -> None:
    async with trizmq.Rep() as rep:
        task_status.started(await rep.bind("tcp://127.0.0.1:*"))
        async for [request] in rep:
            await trio.sleep(0.2)  # the work
            await rep.send(request.upper())


def ask_with_pyzmq(endpoint: str) -> None:
    with zmq.Context() as context, context.socket(zmq.REQ) as req:
        req.linger, req.rcvtimeo = 0, 5000  # milliseconds; otherwise pyzmq waits for ever where the server is gone
        req.connect(endpoint)
        for word in [b"one", b"two", b"three", b"four"]:
            req.send(word)
            print(f"pyzmq asked {word.decode()}, trizmq replied {req.recv().decode()}", flush=True)


async def main() -> None:
    async with trio.open_nursery() as nursery:
        endpoint = await nursery.start(serve_with_trizmq)
        # In a session of its own, Ctrl-C does not reach the client: what ends this program ends it.
        await trio.run_process([sys.executable, __file__, endpoint], start_new_session=True)
        nursery.cancel_scope.cancel()
    print("done")


if __name__ == "__main__":
    status = 0
    try:
        if len(sys.argv) > 1:
            ask_with_pyzmq(sys.argv[1])
        else:
            trio.run(main)
    except* KeyboardInterrupt:  # Ctrl-C; a nursery may have put it into a group
        status = 130
    sys.exit(status)

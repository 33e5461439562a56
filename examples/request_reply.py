"""A server answers requests, a client asks some, and gives up the one that takes too long."""

import sys

import trio

import trizmq


async def serve(task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED) -> None:
    async with trizmq.Rep() as rep:
        task_status.started(await rep.bind("tcp://127.0.0.1:*"))
        async for request in rep:  # a message is a list of frames
            name = request[0].decode()
            await trio.sleep(5.0 if name == "sloth" else 0.1)  # the work
            await rep.send(f"hello {name}".encode())


async def ask(endpoint: str) -> None:
    async with trizmq.Req() as req:
        req.connect(endpoint)
        for name in ["ant", "bee", "cat"]:
            [reply] = await req.request(name.encode())
            print(f"{name}: {reply.decode()}", flush=True)

        with trio.move_on_after(0.5) as patience:  # cancel what you like, when you like
            await req.request(b"sloth")
        if patience.cancelled_caught:
            print("sloth: no reply in time, the request was cancelled")


async def main() -> None:
    async with trio.open_nursery() as nursery:
        endpoint = await nursery.start(serve)
        await ask(endpoint)
        nursery.cancel_scope.cancel()  # the server is not needed any more
    print("done")


if __name__ == "__main__":
    status = 0
    try:
        trio.run(main)
    except* KeyboardInterrupt:  # Ctrl-C; a nursery may have put it into a group
        status = 130
    sys.exit(status)

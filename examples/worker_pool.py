"""Clients ask at one endpoint, and whichever worker is free answers.

clients (REQ) ──► ROUTER ─ proxy ─ DEALER ──► workers (REP)
"""

import sys

import trio

import trizmq

WORKERS = 3
CLIENTS = 6


async def run_pool(task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED) -> None:
    async with trizmq.Router() as frontend, trizmq.Dealer() as backend:
        endpoint = await frontend.bind("tcp://127.0.0.1:*")
        await backend.bind("inproc://workers")
        async with trio.open_nursery() as nursery:
            for number in range(1, WORKERS + 1):
                nursery.start_soon(work, number)
            await backend.wait_connected(WORKERS)
            task_status.started(endpoint)
            await trizmq.proxy(frontend, backend)  # until it is cancelled


async def work(number: int) -> None:
    served = 0
    try:
        async with trizmq.Rep() as rep:
            rep.connect("inproc://workers")
            async for [request] in rep:
                await trio.sleep(0.2)  # the work
                await rep.send(b"worker %d did %s" % (number, request))
                served += 1
    finally:  # runs also, and first of all, when the pool is cancelled
        print(f"worker {number} stops after {served} requests")


async def ask(endpoint: str, client: int) -> None:
    async with trizmq.Req() as req:
        req.connect(endpoint)
        for task in "ab":
            [reply] = await req.request(f"task {client}{task}".encode())
            print(reply.decode(), flush=True)


async def main() -> None:
    async with trio.open_nursery() as pool:
        endpoint = await pool.start(run_pool)
        async with trio.open_nursery() as clients:
            for client in range(1, CLIENTS + 1):
                clients.start_soon(ask, endpoint, client)
        pool.cancel_scope.cancel()
    print("done")


if __name__ == "__main__":
    status = 0
    try:
        trio.run(main)
    except* KeyboardInterrupt:  # Ctrl-C; a nursery may have put it into a group
        status = 130
    sys.exit(status)

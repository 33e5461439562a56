"""A ventilator hands out numbers, workers square them side by side, a sink adds up the results.

ventilator (PUSH) ──► workers (PULL, PUSH) ──► sink (PULL)
"""

import sys

import trio

import trizmq

WORKERS = 4
TASKS = 40


async def ventilate(task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED) -> None:
    async with trizmq.Push() as tasks:
        task_status.started(await tasks.bind("tcp://127.0.0.1:*"))
        await tasks.wait_connected(WORKERS)  # or the first one there would get all the work
        for number in range(1, TASKS + 1):
            await tasks.send(b"%d" % number)
        print(f"ventilator: {TASKS} tasks handed out", flush=True)
    # Leaving the block has sent what was still queued.


async def work(ventilator: str, sink: str, worker: int) -> None:
    async with trizmq.Pull() as tasks, trizmq.Push() as results:
        tasks.connect(ventilator)
        results.connect(sink)
        async for [task] in tasks:
            await trio.sleep(0.1)  # the work
            await results.send([b"worker %d" % worker, b"%d" % int(task) ** 2])


async def main() -> None:
    async with trizmq.Pull() as sink, trio.open_nursery() as nursery:
        results = await sink.bind("tcp://127.0.0.1:*")
        tasks = await nursery.start(ventilate)
        for worker in range(1, WORKERS + 1):
            nursery.start_soon(work, tasks, results, worker)

        total, done_by = 0, dict[str, int]()
        for _ in range(TASKS):
            worker_name, result = await sink.receive()
            total += int(result)
            done_by[worker_name.decode()] = done_by.get(worker_name.decode(), 0) + 1
        nursery.cancel_scope.cancel()  # the workers wait for more

    for name, count in sorted(done_by.items()):
        print(f"{name}: {count} tasks")
    print(f"sink: the sum of the squares is {total}")


if __name__ == "__main__":
    status = 0
    try:
        trio.run(main)
    except* KeyboardInterrupt:  # Ctrl-C; a nursery may have put it into a group
        status = 130
    sys.exit(status)

"""A weather station publishes, and each subscriber receives what it has subscribed to."""

import random
import sys

import trio

import trizmq


async def publish(task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED) -> None:
    async with trizmq.Pub() as pub:
        task_status.started(await pub.bind("tcp://127.0.0.1:*"))
        # A PUB sends to those who have subscribed by then, and to nobody else: wait for them, instead of sleeping.
        await pub.wait_subscribed("wind", 2)
        await pub.wait_subscribed("rain", 2)
        while True:
            for topic in ["wind", "rain", "sun"]:
                await pub.send([topic.encode(), b"%d" % random.randrange(100)])
            await trio.sleep(0.2)


async def subscribe(endpoint: str, name: str, topic: str, count: int) -> None:
    async with trizmq.Sub() as sub:
        sub.subscribe(topic)
        sub.connect(endpoint)
        for _ in range(count):
            what, value = await sub.receive()
            print(f"{name}: {what.decode()} {value.decode()}", flush=True)
    print(f"{name} has had {count} messages and leaves")


async def main() -> None:
    async with trio.open_nursery() as nursery:
        endpoint = await nursery.start(publish)
        async with trio.open_nursery() as subscribers:
            subscribers.start_soon(subscribe, endpoint, "sailor", "wind", 4)
            subscribers.start_soon(subscribe, endpoint, "farmer", "rain", 4)
            subscribers.start_soon(subscribe, endpoint, "reporter", "", 12)
        nursery.cancel_scope.cancel()  # the station publishes until it is told to stop
    print("done")


if __name__ == "__main__":
    status = 0
    try:
        trio.run(main)
    except* KeyboardInterrupt:  # Ctrl-C; a nursery may have put it into a group
        status = 130
    sys.exit(status)

"""What is measured. A new row is added here, its target in targets.py."""

from __future__ import annotations

from .model import IMPLEMENTATIONS, Metric, Scenario, Settings, size_text

SIZES = (16, 128, 1 << 10, 16 << 10, 64 << 10, 1 << 20)
IPC_SIZES = (16, 1 << 10, 64 << 10)
CURVE_SIZES = (100, 8 << 10, 64 << 10)
SUBSCRIBERS = (1, 8, 64)
GROWTH = (1, 10, 100, 1000)
"""Numbers of peers at which the cost of a message is taken."""
BUSY = 100
"""Peers with traffic, alone and then among idle ones."""

RATE = Metric("rate", "msg/s", more_is_better=True)
PERCENTILES = tuple(
    Metric(f"p{percent:g}", "µs", more_is_better=False, in_table=percent in (50, 99))
    for percent in (1, 10, 25, 50, 75, 90, 95, 99, 99.9)
)
MEMORY = Metric("memory", "KiB/connection", more_is_better=False)
ACCEPTED = Metric("accepted", "connections/s", more_is_better=True)
HANDSHAKES = Metric("accepted", "handshakes/s", more_is_better=True)
HANDSHAKE_COST = Metric("cost", "µs of CPU/handshake", more_is_better=False)
COSTS = tuple(
    Metric(f"cost_{peers}", "µs of CPU/msg", more_is_better=False, in_table=peers in (GROWTH[0], GROWTH[-1]))
    for peers in GROWTH
)
GROWN = Metric("growth", f"x from {GROWTH[0]} to {GROWTH[-1]:,} peers", more_is_better=False)
ALONE = Metric("alone", "msg/s", more_is_better=True)
AMONG = Metric("among", "msg/s", more_is_better=True)
KEPT = Metric("kept", "of the rate alone", more_is_better=True)
BEAT = Metric("beat", "µs of CPU/heartbeat", more_is_better=False)
SHARE = Metric("share", "% of a core, every 30 s", more_is_better=False)
LOST = Metric("lost", "messages", more_is_better=False)
IMPORT = Metric("import", "ms", more_is_better=False)

EVERYONE = tuple(IMPLEMENTATIONS)
ZEROMQ = ("trizmq", "trizmq_many", "pyzmq", "pyzmq_asyncio")
INPROC = (*ZEROMQ, "bare_trio")
ROUND_TRIPS = ("trizmq", "pyzmq", "pyzmq_asyncio", "bare_trio")
BLOCKING = ("trizmq", "trizmq_many", "pyzmq")
"""Where only the two ways of ours and libzmq itself are of interest."""
SERVERS = ("trizmq", "pyzmq")
"""Where there is no way to do many at once, and asyncio would not add anything."""


def stream(size: int, transport: str = "tcp", *, curve: bool = False) -> Scenario:
    """A pipeline with messages of one size."""
    # Large messages: look at the clock often enough to stop in time, and keep one batch below some MiB.
    block = max(4, min(1000, (4 << 20) // size))
    batch = max(4, min(100, (1 << 20) // size))
    kind = "curve" if curve else transport
    implementations = BLOCKING if curve else EVERYONE if transport == "tcp" else ZEROMQ
    return Scenario(
        name=f"push_pull_{kind}_{size}",
        title=f"PUSH/PULL {kind} {size_text(size)}",
        roles=("streams.pull", "streams.push"),
        implementations=implementations,
        metrics=(RATE,),
        settings=Settings(size=size, transport=transport, curve=curve, block=block, batch=batch),
    )


def round_trip(name: str, title: str, settings: Settings) -> Scenario:
    """Request and reply, one at a time."""
    return Scenario(
        name=name,
        title=title,
        roles=("round_trips.rep", "round_trips.req"),
        implementations=ROUND_TRIPS if settings.transport == "tcp" else ROUND_TRIPS[:-1],
        metrics=PERCENTILES,
        settings=settings,
    )


def publish(subscribers: int, topics: int = 0) -> Scenario:
    """One publisher, and subscribers that want everything, or one topic of many."""
    return Scenario(
        name=f"pub_sub_topics_{topics}" if topics else f"pub_sub_{subscribers}",
        title=f"PUB to {subscribers} SUB tcp 16 B" + (f", {topics:,} subscriptions" if topics else ""),
        roles=("pubsub.pub", "pubsub.sub"),
        implementations=ZEROMQ,
        metrics=(RATE,),
        settings=Settings(size=16, subscribers=subscribers, topics=topics, block=500),
    )


def idle(connections: int, most_rounds: int | None = None) -> Scenario:
    """Peers that connect, say one message and fall silent."""
    return Scenario(
        name=f"idle_{connections}",
        title=f"{connections:,} idle connections",
        roles=("peers.idle_server", "peers.idle_peers"),
        implementations=("trizmq", "pyzmq", "bare_trio"),
        metrics=(MEMORY, ACCEPTED),
        settings=Settings(connections=connections),
        most_rounds=most_rounds,
    )


def growth(kind: str, peers_role: str) -> Scenario:
    """What a message costs with more and more peers."""
    return Scenario(
        name=f"growth_{kind}",
        title=f"{kind.upper()} with {GROWTH[0]} to {GROWTH[-1]:,} peers",
        roles=(f"peers.growing_{kind}", f".raw_peers.{peers_role}"),
        implementations=SERVERS,
        metrics=(*COSTS, GROWN),
        settings=Settings(size=16, active=GROWTH, seconds=0.5),
        most_rounds=3,
    )


SCENARIOS = (
    *(stream(size) for size in SIZES),
    *(stream(size, "ipc") for size in IPC_SIZES),
    Scenario(
        name="ipc_close",
        title="PUSH/PULL ipc, the sender closes",
        roles=("streams.count_all", "streams.send_and_close"),
        implementations=("trizmq", "trizmq_many", "pyzmq"),
        metrics=(LOST,),
        settings=Settings(size=16, transport="ipc", messages=20_000),
    ),
    Scenario(
        name="dealer_router",
        title="DEALER/ROUTER tcp 2 frames of 16 B",
        roles=("streams.router", "streams.dealer"),
        implementations=ZEROMQ,
        metrics=(RATE,),
        settings=Settings(size=16, frames=2),
    ),
    round_trip("req_rep", "REQ/REP tcp 1 B", Settings()),
    round_trip("req_rep_one_core", "REQ/REP tcp 1 B, one core", Settings(one_core=True)),
    round_trip("req_rep_ipc", "REQ/REP ipc 1 B", Settings(transport="ipc")),
    Scenario(
        name="lone_ping",
        title="1 kHz ping beside a saturated stream",
        roles=("round_trips.beside_pull", "round_trips.beside_push"),
        implementations=SERVERS,
        metrics=PERCENTILES,
        settings=Settings(size=16, seconds=1.5),
    ),
    *(publish(subscribers) for subscribers in SUBSCRIBERS),
    publish(1, topics=10_000),
    Scenario(
        name="inproc_push_pull",
        title="inproc PUSH/PULL 16 B",
        roles=("inproc.push_pull",),
        implementations=INPROC,
        metrics=(RATE,),
        settings=Settings(size=16, transport="inproc"),
    ),
    Scenario(
        name="inproc_req_rep",
        title="inproc REQ/REP 1 B",
        roles=("inproc.req_rep",),
        implementations=ROUND_TRIPS,
        metrics=PERCENTILES,
        settings=Settings(transport="inproc"),
    ),
    *(stream(size, curve=True) for size in CURVE_SIZES),
    Scenario(
        name="curve_handshakes",
        title="CURVE handshakes with one ROUTER",
        roles=("peers.idle_server", ".curve_peers.curve_peers"),
        implementations=SERVERS,
        metrics=(HANDSHAKES, HANDSHAKE_COST),
        settings=Settings(connections=400, curve=True),
    ),
    idle(1000),
    idle(10_000, most_rounds=3),
    Scenario(
        name="busy_among_idle",
        title=f"traffic on {BUSY} connections among 10,000 idle ones",
        roles=("peers.busy_router", ".raw_peers.asking_peers"),
        implementations=SERVERS,
        metrics=(ALONE, AMONG, KEPT),
        settings=Settings(size=16, connections=10_000, active=(BUSY,), seconds=1.0),
        most_rounds=3,
    ),
    Scenario(
        name="heartbeats",
        title="heartbeats of 10,000 peers",
        roles=("peers.heartbeat_router", ".raw_peers.answering_peers"),
        implementations=SERVERS,
        metrics=(BEAT, SHARE),
        settings=Settings(connections=10_000, heartbeat=3.0),
        most_rounds=3,
    ),
    growth("push", "draining_peers"),
    growth("dealer", "echoing_peers"),
    growth("router", "asking_peers"),
    Scenario(
        name="import",
        title="import, beyond trio",
        roles=("imports.import_time",),
        implementations=("trizmq", "pyzmq", "pyzmq_asyncio"),
        metrics=(IMPORT,),
    ),
)

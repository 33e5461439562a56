"""A network in memory: endpoints of tcp and ipc without real sockets, and faults on request, for tests on Trio's clocks."""

from __future__ import annotations

import errno
import os
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import count

import trio

from ..endpoints import HostPort, parse_host_port, parse_tcp_target
from ..runtime.checkpoints import ParkingLot, checkpoint
from ..transports import using_transports
from ..transports.base import Transport, TransportOptions
from .faults import Faults, FaultTable, Hosts, host_set
from .memory_link import MemoryLink, Way

_ANY = {"*", "0.0.0.0", "::"}
_THIS_HOST = {"localhost", "127.0.0.1", "::1"}
_FIRST_FREE_PORT = 49152  # where IANA's ports for nobody in particular begin


@dataclass(frozen=True, slots=True)
class _Place:
    """Where something listens."""

    transport: str
    host: str
    name: str  # the port, or the path


class MemoryNetwork:
    """A network that is all in this process, and as bad as a test wants it.

    Sockets opened inside ``with network.host(name)``, by whatever code, bind and connect their tcp and ipc endpoints in
    this network: no real socket is opened, nothing outside is reached. All waiting goes by Trio's clock, so that with an
    autojump clock minutes of reconnecting, heartbeats and lingering pass in no wall time.

    A host name in ``tcp://name:port`` is the name of a host here; one that is bound by another host is a second name of
    its own, for which faults can be asked as well. ``*`` and ``0.0.0.0`` are the own host, and ``bind`` returns its name;
    ``localhost`` and ``127.0.0.1`` are the own host too. ipc paths belong to the host on which they are bound.

    A fault is asked for with no host (it holds everywhere), with one (for everything that this host sends or receives) or
    with two (between these). Faults add up until ``heal`` takes them back, and hold for open and for new connections.

    ::

        network = trizmq.testing.MemoryNetwork()
        with network.host("server"):
            await nursery.start(serve, "tcp://*:5555")
        with network.host("client"):
            async with trizmq.Req() as req:
                req.connect("tcp://server:5555")
                network.cut("client", "server")
    """

    def __init__(self) -> None:
        self._listening: dict[_Place, MemoryAcceptor] = {}
        self._faults = FaultTable()
        self._changed = ParkingLot()
        self._connections: dict[Connection, None] = {}  # ordered, unlike a set: the same faults have the same effects
        self._client_ports = count(_FIRST_FREE_PORT)

    @contextmanager
    def host(self, name: str = "localhost") -> Iterator[None]:
        """Sockets that are opened inside are on this host: by this task, and by all tasks started inside."""
        transports: dict[str, Transport] = {"tcp": _Tcp(self, name), "ipc": _Ipc(self, name)}
        with using_transports(transports):
            yield

    # ---- faults

    def cut(self, *hosts: str) -> None:
        """Break the connections, and have new ones fail at once ("no route to host"). Both sides notice."""
        self._add(hosts, cut=True)
        self.reset(*hosts)

    def reset(self, *hosts: str) -> None:
        """Break the connections once; what was on its way is lost. New ones can be made at once."""
        wanted = host_set(hosts)
        for connection in list(self._connections):
            if wanted <= connection.hosts:
                connection.break_off()

    def stall(self, *hosts: str) -> None:
        """Let nothing through, and let nobody know: only heartbeats and time limits notice.

        What is sent meanwhile, up to what buffers hold, arrives once it is healed. New connections are not answered.
        """
        self._add(hosts, stalled=True)

    def refuse(self, *hosts: str, silently: bool = False) -> None:
        """Refuse new connections, and leave the open ones alone.

        Args:
            silently: do not answer them at all, as a firewall does: they end by ``connect_timeout``.
        """
        self._add(hosts, refused=not silently, ignored=silently)

    def delay(self, *hosts: str, seconds: float) -> None:
        """Deliver each piece that is sent so much later. Making a connection takes two of these."""
        if not seconds >= 0:
            raise ValueError(f"seconds={seconds!r}: a delay is not negative")
        self._add(hosts, delay=seconds)

    def dribble(self, *hosts: str, size: int = 1) -> None:
        """Give at most so many bytes at a time to whoever reads."""
        self._add(hosts, dribble=_at_least_one("size", size))

    def garble(self, *hosts: str, every: int) -> None:
        """Flip all bits of every so-manieth byte that is sent, counted from the beginning of each connection, each way."""
        self._add(hosts, garble=_at_least_one("every", every))

    def heal(self, *hosts: str) -> None:
        """Take faults back: all; all that were asked for with this host; or those between these two."""
        self._faults.heal(host_set(hosts))
        self._notify()

    def connections(self, *hosts: str) -> int:
        """How many connections there are: all, those of one host, or those between two.

        One counts until it breaks, or both sides have closed it.
        """
        wanted = host_set(hosts)
        return sum(wanted <= connection.hosts for connection in self._connections)

    def _add(self, hosts: tuple[str, ...], **changes: object) -> None:
        self._faults.add(host_set(hosts), **changes)
        self._notify()

    def _notify(self) -> None:
        self._changed.unpark_all()
        for connection in self._connections:
            connection.notify()

    # ---- what the transports do

    async def _bind(self, place: _Place, endpoint: str) -> MemoryAcceptor:
        await checkpoint()
        if place in self._listening:
            raise OSError(errno.EADDRINUSE, f"{os.strerror(errno.EADDRINUSE)}: cannot bind {endpoint}")
        acceptor = self._listening[place] = MemoryAcceptor(endpoint, partial(self._listening.pop, place))
        return acceptor

    def _free_port(self, host: str) -> int:
        return next(port for port in count(_FIRST_FREE_PORT) if _Place("tcp", host, str(port)) not in self._listening)

    async def _connect(self, source: str, place: _Place, shown: str) -> MemoryLink:
        await checkpoint()
        await self._reach(source, place.host)
        if way := self._faults.between(source, place.host).delay:
            await trio.sleep(way * 2)
            await self._reach(source, place.host)
        acceptor = self._listening.get(place)
        if acceptor is None or self._faults.between(source, place.host).refused:
            raise ConnectionRefusedError(errno.ECONNREFUSED, f"nobody listens at {shown}")
        connection = Connection(partial(self._faults.between, source, place.host), frozenset({source, place.host}))
        self._connections[connection] = None
        connection.on_end = partial(self._ended, connection)
        near, far = connection.links(shown, f"{source}:{next(self._client_ports)}")
        acceptor.give(far)
        return near

    async def _reach(self, source: str, host: str) -> None:
        while (faults := self._faults.between(source, host)).stalled or faults.ignored:
            await self._changed.park()
        if faults.cut:
            raise OSError(errno.EHOSTUNREACH, f"{os.strerror(errno.EHOSTUNREACH)}: {host} from {source}")

    def _ended(self, connection: Connection) -> None:
        self._connections.pop(connection, None)


def _at_least_one(name: str, value: int) -> int:
    if value < 1:
        raise ValueError(f"{name}={value!r}: at least 1")
    return value


class Connection:
    """Both ways between two hosts."""

    def __init__(self, faults: Callable[[], Faults], hosts: Hosts) -> None:
        self.hosts = hosts
        self.on_end: Callable[[], None] = lambda: None
        self._there, self._back = Way(faults), Way(faults)

    def links(self, there: str, here: str) -> tuple[MemoryLink, MemoryLink]:
        """The end of the connecting side and the other's."""
        near = MemoryLink(there, self._back, self._there, self._closed)
        far = MemoryLink(here, self._there, self._back, self._closed)
        return near, far

    def _closed(self) -> None:
        # until both are closed, faults must still reach the one that is open
        if self._there.broken or (self._there.reader_gone and self._back.reader_gone):
            self.on_end()

    def break_off(self) -> None:
        """Both ends know; what was on its way is lost."""
        self._there.break_off()
        self._back.break_off()
        self.on_end()

    def notify(self) -> None:
        """Faults came or went."""
        self._there.changed.unpark_all()
        self._back.changed.unpark_all()


class MemoryAcceptor:
    """A place at which something listens: an :class:`~trizmq.transports.base.Acceptor`."""

    def __init__(self, endpoint: str, on_close: Callable[[], object]) -> None:
        self.endpoint = endpoint
        self._on_close = on_close
        self._waiting: deque[MemoryLink] = deque()
        self._came = ParkingLot()
        self._closed = False

    def give(self, link: MemoryLink) -> None:
        """A connection was made."""
        self._waiting.append(link)
        self._came.unpark_all()

    async def accept(self) -> MemoryLink:
        """See :class:`~trizmq.transports.base.Acceptor`."""
        await checkpoint()
        while not self._waiting:
            if self._closed:
                raise trio.ClosedResourceError("nothing listens here any more")
            await self._came.park()
        return self._waiting.popleft()

    def close(self) -> None:
        """See :class:`~trizmq.transports.base.Acceptor`. Connections that nobody has accepted are reset."""
        if self._closed:
            return
        self._closed = True
        self._on_close()
        for link in self._waiting:
            link.reset()
        self._waiting.clear()
        self._came.unpark_all()


class _Tcp:
    """``tcp://`` on one host of the network."""

    def __init__(self, network: MemoryNetwork, host: str) -> None:
        self._network = network
        self._host = host

    def check_bind(self, address: str, endpoint: str) -> None:
        parse_host_port(address, endpoint, wildcards=True)

    def check_connect(self, address: str, endpoint: str) -> None:
        parse_tcp_target(address, endpoint)

    def _named(self, host: str) -> str:
        return self._host if host in _THIS_HOST or host in _ANY else host

    async def bind(self, address: str, endpoint: str, options: TransportOptions) -> MemoryAcceptor:
        wanted = parse_host_port(address, endpoint, wildcards=True)
        host = self._named(wanted.host)
        port = wanted.port or self._network._free_port(host)
        resolved = HostPort(host if wanted.host in _ANY else wanted.host, port)
        return await self._network._bind(_Place("tcp", host, str(port)), f"tcp://{resolved}")

    async def connect(self, address: str, endpoint: str, options: TransportOptions) -> MemoryLink:
        target = parse_tcp_target(address, endpoint)
        source = self._host if target.source is None else self._named(target.source.host)
        place = _Place("tcp", self._named(target.destination.host), str(target.destination.port))
        return await self._network._connect(source, place, str(target.destination))


class _Ipc:
    """``ipc://`` on one host of the network; no file is made."""

    def __init__(self, network: MemoryNetwork, host: str) -> None:
        self._network = network
        self._host = host
        self._names = count(1)

    def check_bind(self, address: str, endpoint: str) -> None:
        pass

    def check_connect(self, address: str, endpoint: str) -> None:
        pass

    async def bind(self, address: str, endpoint: str, options: TransportOptions) -> MemoryAcceptor:
        path = f"memory-{next(self._names)}" if address == "*" else address
        return await self._network._bind(_Place("ipc", self._host, path), f"ipc://{path}")

    async def connect(self, address: str, endpoint: str, options: TransportOptions) -> MemoryLink:
        return await self._network._connect(self._host, _Place("ipc", self._host, address), address)

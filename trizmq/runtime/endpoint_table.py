"""The endpoint table: what a socket is bound and connected to."""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING, Protocol

import outcome
import trio

from ..endpoints import split_endpoint
from ..errors import EndpointError
from ..events import EndpointInfo
from ..patterns.base import Refused
from ..transports import find_transport
from ..transports.adopted import Adopted
from ..transports.base import Transport
from .checkpoints import checkpoint, enable_ki_protection
from .connector import Connector
from .inproc import InprocBinding, InprocConnection
from .listener import Listener

if TYPE_CHECKING:
    from .home import SocketHome
    from .socket import SocketCore


class Endpoint(Protocol):
    """What the table of endpoints holds: a listener, a connector, or one of their inproc counterparts."""

    endpoint: str

    @property
    def info(self) -> EndpointInfo:
        """What applications see of it."""

    def stop(self) -> None:
        """The socket is closing: let nobody in any more."""

    def close(self) -> None:
        """``unbind`` or ``disconnect``."""


class EndpointTable:
    """Opens, finds and closes the endpoints of one socket."""

    def __init__(self, core: SocketCore) -> None:
        self._core = core
        self._binds: dict[str, Endpoint] = {}
        self._connects: dict[str, list[Endpoint]] = {}

    async def bind(
        self, endpoint: str, listening: socket.socket | None, home: SocketHome, nursery: trio.Nursery
    ) -> str:
        """See :meth:`trizmq.Socket.bind` and :meth:`trizmq.Socket.bind_socket`."""
        core = self._core
        transport: Transport | None
        if listening is not None:
            transport = Adopted(listening)
            endpoint, address = transport.endpoint, ""
            if endpoint in self._binds:
                raise EndpointError(f"{endpoint!r} is bound here already")
        else:
            transport, address = find_transport(endpoint, core.transports)
        if transport is None:
            self._check_inproc(endpoint)
            await checkpoint()
            core.check_open()
            binding = InprocBinding(core, endpoint, address, home.inproc_names)
            binding.open()
            self._binds[endpoint] = binding
            return endpoint
        transport.check_bind(address, endpoint)
        listener = Listener(core, endpoint, transport, address)
        name = f"trizmq {core.name} listener {endpoint}"
        bound: str = await nursery.start(self._run_listener, listener, name=name)
        return bound

    @enable_ki_protection
    async def _run_listener(self, listener: Listener, *, task_status: trio.TaskStatus[str]) -> None:
        result = await outcome.acapture(listener.run, task_status)
        # an error before the endpoint is bound belongs to the caller of bind, who waits for it
        if listener.bound and isinstance(result, outcome.Error):
            self._core.caught(result.error)
        else:
            result.unwrap()

    @enable_ki_protection
    def connect(self, endpoint: str, routing_id: bytes, home: SocketHome) -> None:
        """See :meth:`trizmq.Socket.connect`."""
        core = self._core
        transport, address = find_transport(endpoint, core.transports)
        if transport is None:
            self._check_inproc(endpoint)
            connection = InprocConnection(core, endpoint, address, home.inproc_names, routing_id)
            connection.open()
            self._connects.setdefault(endpoint, []).append(connection)
            return
        transport.check_connect(address, endpoint)
        connector = Connector(core, endpoint, transport, address, routing_id)
        if not core.options.immediate:
            # a PAIR that has a peer refuses; it is asked again with each connection
            with contextlib.suppress(Refused):
                connector.session.attach()
        self._connects.setdefault(endpoint, []).append(connector)
        core.start(connector.run, name=f"connector {endpoint}")

    def _check_inproc(self, endpoint: str) -> None:
        if self._core.pattern.raw:
            raise EndpointError(
                f"{endpoint!r}: a {self._core.pattern.name} moves plain bytes, and inproc has only messages; use tcp or ipc"
            )

    def opened(self, listener: Listener) -> None:
        """A listener is bound."""
        self._binds[listener.endpoint] = listener

    def ended(self, endpoint: Endpoint) -> None:
        """An endpoint has come to its end."""
        if self._binds.get(endpoint.endpoint) is endpoint:
            del self._binds[endpoint.endpoint]
        connects = self._connects.get(endpoint.endpoint, [])
        if endpoint in connects:
            connects.remove(endpoint)
            if not connects:
                del self._connects[endpoint.endpoint]

    @enable_ki_protection
    def unbind(self, endpoint: str) -> None:
        """See :meth:`trizmq.Socket.unbind`."""
        split_endpoint(endpoint)
        bound = self._binds.pop(endpoint, None)
        if bound is None:
            raise EndpointError(f"{endpoint!r} is not bound here; bound are: {', '.join(self._binds) or 'none'}")
        bound.close()

    @enable_ki_protection
    def disconnect(self, endpoint: str) -> None:
        """See :meth:`trizmq.Socket.disconnect`."""
        split_endpoint(endpoint)
        connections = self._connects.pop(endpoint, None)
        if connections is None:
            known = ", ".join(self._connects) or "none"
            raise EndpointError(f"{endpoint!r} is not connected to; connected are: {known}")
        for connection in connections:
            connection.close()

    def stop(self) -> None:
        """The socket is closing: let nobody in any more."""
        for endpoint in self._all():
            endpoint.stop()

    def end_inproc(self) -> None:
        """The socket is closed: leave what was sent over inproc to the other sides."""
        for endpoint in self._all():
            if isinstance(endpoint, (InprocConnection, InprocBinding)):
                endpoint.end()

    def _all(self) -> list[Endpoint]:
        return [*self._binds.values(), *(one for several in self._connects.values() for one in several)]

    def infos(self) -> tuple[EndpointInfo, ...]:
        """See :meth:`trizmq.Socket.endpoints`."""
        return () if self._core.closed else tuple(endpoint.info for endpoint in self._all())

    def connections(self, endpoint: str) -> int:
        """How many handshaken connections others have made through an endpoint that is bound here."""
        return sum(one.usable for one in self._core.sessions if one.endpoint == endpoint and not one.connecting)

    def describe(self) -> str:
        """For people."""
        bound = "".join(f", bound to {endpoint}" for endpoint in self._binds)
        return bound + "".join(f", connecting to {endpoint}" for endpoint in self._connects)

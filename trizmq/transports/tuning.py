"""What the options ask of the operating system's sockets: set before they are bound or connected, and when accepted."""

from __future__ import annotations

import contextlib
import errno
import socket
from collections.abc import Iterator

from .base import TransportOptions


class TuningError(OSError):
    """The system does not do what an option asks for: not here, or not for this user. The text names the option."""


def tune(untuned: socket.socket, options: TransportOptions, *, accepted: bool = False) -> None:
    """Apply the options that are set.

    Buffers are to be sized before the connection is there: its window scale is fixed then. Not every system lets accepted
    sockets inherit from the one that listens, so they are tuned as well.

    Raises:
        TuningError: the system refuses one.
    """
    for name, level, constant, value in _settings(untuned, options, accepted):
        try:
            untuned.setsockopt(level, _number(constant), value)
        except OSError as error:
            text = f"{error.strerror or error} ({constant} for {name}={getattr(options, name)!r})"
            raise TuningError(error.errno, text) from None


def _number(constant: str) -> int:
    # whether the platform has it at all is checked when an option is set, but for those that depend on the IP version
    if not hasattr(socket, constant):
        raise OSError(errno.ENOPROTOOPT, "this platform cannot do that")
    return int(getattr(socket, constant))


def _settings(
    untuned: socket.socket, options: TransportOptions, accepted: bool
) -> Iterator[tuple[str, int, str, int | bytes]]:
    """Option, level, constant and value, of those that are set."""
    if options.send_buffer is not None:
        yield "send_buffer", socket.SOL_SOCKET, "SO_SNDBUF", options.send_buffer
    if options.receive_buffer is not None:
        yield "receive_buffer", socket.SOL_SOCKET, "SO_RCVBUF", options.receive_buffer
    if untuned.family not in (socket.AF_INET, socket.AF_INET6):
        return
    if options.bind_to_device and not accepted:
        yield "bind_to_device", socket.SOL_SOCKET, "SO_BINDTODEVICE", options.bind_to_device.encode("ascii") + b"\0"
    if options.tos:
        if untuned.family == socket.AF_INET6:
            yield "tos", socket.IPPROTO_IPV6, "IPV6_TCLASS", options.tos
            # for IPv4 through the same socket, where there is such a thing
            with contextlib.suppress(OSError):
                untuned.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, options.tos)
        else:
            yield "tos", socket.IPPROTO_IP, "IP_TOS", options.tos
    if options.priority:  # after tos, which sets a priority of its own on Linux
        yield "priority", socket.SOL_SOCKET, "SO_PRIORITY", options.priority
    if options.tcp_max_retransmit:
        milliseconds = max(1, min(round(options.tcp_max_retransmit * 1000), (1 << 31) - 1))
        yield "tcp_max_retransmit", socket.IPPROTO_TCP, "TCP_USER_TIMEOUT", milliseconds
    if options.tcp_keepalive is not None:
        yield "tcp_keepalive", socket.SOL_SOCKET, "SO_KEEPALIVE", int(options.tcp_keepalive)
    if options.tcp_keepalive_idle is not None:
        # macOS has its own name for it
        constant = "TCP_KEEPIDLE" if hasattr(socket, "TCP_KEEPIDLE") else "TCP_KEEPALIVE"
        yield "tcp_keepalive_idle", socket.IPPROTO_TCP, constant, options.tcp_keepalive_idle
    if options.tcp_keepalive_interval is not None:
        yield "tcp_keepalive_interval", socket.IPPROTO_TCP, "TCP_KEEPINTVL", options.tcp_keepalive_interval
    if options.tcp_keepalive_count is not None:
        yield "tcp_keepalive_count", socket.IPPROTO_TCP, "TCP_KEEPCNT", options.tcp_keepalive_count

"""One way, as fast as it goes."""

from __future__ import annotations

import importlib
from typing import Any

from ...control import Control, Skip
from ...model import Settings
from ..loops import payload, receive_until_enough, send_for_ever


def library() -> Any:
    """It need not be there: not every platform has it."""
    try:
        return importlib.import_module("pyomq")
    except ImportError as missing:
        raise Skip("pyomq is not installed") from missing


def pull(control: Control, settings: Settings) -> None:
    pyomq = library()
    sock = pyomq.Context().socket(pyomq.PULL)
    sock.bind("tcp://127.0.0.1:*")
    control.tell_endpoint(sock.getsockopt_string(pyomq.LAST_ENDPOINT))
    control.tell_result(rate=receive_until_enough(sock.recv, settings).rate)
    control.wait_end()


def push(control: Control, settings: Settings) -> None:
    pyomq = library()
    sock = pyomq.Context().socket(pyomq.PUSH)
    sock.connect(control.wait_endpoint())
    send_for_ever(sock.send, payload(settings))

"""What the settings ask of a socket."""

from __future__ import annotations

from typing import Any

import trizmq

from ...control import Skip
from ...model import Settings
from .. import curve_keys


def address(settings: Settings) -> str:
    return "ipc://*" if settings.transport == "ipc" else "tcp://127.0.0.1:*"


def server_options(settings: Settings) -> dict[str, Any]:
    """Of the socket that binds, for its keyword arguments."""
    options: dict[str, Any] = {"max_connections": 20_000, "backlog": settings.backlog}
    if settings.heartbeat:
        options["heartbeat_interval"] = settings.heartbeat
    if settings.curve:
        options["security"] = curve("CurveServer")(
            secret_key=curve_keys.SERVER_SECRET, authenticator=trizmq_auth().allow_any
        )
    return options


def client_options(settings: Settings) -> dict[str, Any]:
    """Of the socket that connects."""
    return {"security": curve("CurveClient")(server_key=curve_keys.SERVER_PUBLIC)} if settings.curve else {}


def curve(name: str) -> Any:
    """A class that older revisions, which may be what is measured, do not have."""
    found = getattr(trizmq, name, None)
    if found is None:
        raise Skip(f"this trizmq has no {name}")
    return found


def trizmq_auth() -> Any:
    import trizmq.auth

    return trizmq.auth

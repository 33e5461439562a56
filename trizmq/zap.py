"""A ZAP handler: one authenticator for all sockets of a context (RFC 27)."""

from __future__ import annotations

from .authentication import Authenticator, check_authenticator
from .context import Context
from .runtime.monitor import NO_TASK_STATUS, TaskStatus
from .runtime.zap import HANDLER, handle
from .sockets import Router


async def serve_zap(
    authenticator: Authenticator, *, context: Context | None = None, task_status: TaskStatus = NO_TASK_STATUS
) -> None:
    """Be the ZAP handler of a context, at ``inproc://zeromq.zap.01``, until cancelled or the context is closed.

    ::

        await nursery.start(trizmq.auth.serve_zap, authenticator)

    returns when the handler is there. Questions are answered side by side: one that takes long holds up no other. What the
    authenticator raises is logged, and answered with status 500; but what is no Exception, such as a KeyboardInterrupt,
    leaves this function, and the peer sees a connection that ends.

    Args:
        authenticator: who decides.
        context: whose sockets ask; None: those of the default context.

    Raises:
        OSError: the context has a handler already.
        TypeError: the authenticator cannot be asked, or the context is none.
    """
    check_authenticator(authenticator)
    if context is not None and not isinstance(context, Context):
        raise TypeError(f"serve_zap() takes a trizmq.Context as context=, not {type(context).__name__}")
    router = Router(linger=0, send_hwm=0, receive_hwm=0)
    if context is not None:
        router._join_context(context)
    async with router:
        await router.bind(HANDLER)
        task_status.started()
        await handle(router, authenticator)

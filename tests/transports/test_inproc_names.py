"""inproc: names within one context."""

from __future__ import annotations

import errno

import pytest

import trizmq
from tests.runtime.helpers import meet
from trizmq.testing import check_transport
from trizmq.transports.inproc import InprocNames

pytestmark = pytest.mark.deadline(20)


@pytest.mark.deadline(40)
async def test_keeps_what_every_transport_promises() -> None:
    await check_transport("inproc://check")


@pytest.mark.parametrize("name", ["x", "*", "a b", "ä", "x" * 5000, "tcp://127.0.0.1:1", "/a/b", "@", "\0"])
async def test_any_name(name: str) -> None:
    async with trizmq.Pull() as pull, trizmq.Push() as push:
        assert await meet(pull, push, f"inproc://{name}") == f"inproc://{name}"
        await push.send(b"x")
        assert await pull.recv() == b"x"


async def test_taken() -> None:
    async with trizmq.Pull() as first, trizmq.Pull() as second:
        await first.bind("inproc://x")
        for pull in (first, second):
            with pytest.raises(OSError, match="inproc://x") as caught:
                await pull.bind("inproc://x")
            assert caught.value.errno == errno.EADDRINUSE
        await first.aclose()
        await second.bind("inproc://x")


async def test_free_again_after_close_and_unbind() -> None:
    for _ in range(3):
        async with trizmq.Pull() as pull:
            await pull.bind("inproc://x")
            pull.unbind("inproc://x")
            await pull.bind("inproc://x")


def test_the_table_of_names() -> None:
    names: InprocNames[str, str] = InprocNames()
    names.wait("a", "first")
    names.wait("a", "second")
    names.wait("a", "third")
    names.forget("a", "second")
    names.forget("a", "stranger")
    names.forget("b", "stranger")
    assert names.find("a") is None
    assert names.bind("a", "binder") == ["first", "third"]
    assert names.find("a") == "binder"
    with pytest.raises(OSError, match="inproc://a"):
        names.bind("a", "other")
    assert names.take_waiting("a") == []
    names.unbind("a")
    names.unbind("a")
    assert names.bind("a", "other") == []


def test_who_waits() -> None:
    names: InprocNames[str, str] = InprocNames()
    assert not names.waiting("a")
    names.wait("a", "first")
    names.wait("b", "other")
    names.wait("a", "second")
    assert list(names.waiting("a")) == ["first", "second"]
    assert names.forget_all() == ["first", "second", "other"]
    assert names.forget_all() == []
    assert not names.waiting("a")

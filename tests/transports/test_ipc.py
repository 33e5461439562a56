"""ipc: paths, chosen paths and abstract names; stale files are replaced, live ones and other people's are not touched."""

# ruff: noqa: ASYNC240  # a look at a file of our own is quick
from __future__ import annotations

import errno
import os
import socket
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
import trio.testing

import trizmq
from tests.runtime.helpers import meet
from trizmq.testing import check_transport

pytestmark = [
    pytest.mark.deadline(20),
    pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="this platform has no Unix domain sockets"),
]

linux = pytest.mark.skipif(sys.platform != "linux", reason="abstract names exist on Linux only")


@pytest.fixture
def path() -> Iterator[Path]:
    """A path for a socket, short enough for one."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder) / "socket"


@pytest.mark.deadline(40)
async def test_keeps_what_every_transport_promises(path: Path) -> None:
    await check_transport(f"ipc://{path}")


@pytest.mark.deadline(40)
async def test_chosen_paths_keep_what_every_transport_promises() -> None:
    """But for what takes a path that stays: the folder is made for one socket."""
    await check_transport("ipc://*")


@linux
async def test_abstract_names_keep_what_every_transport_promises() -> None:
    await check_transport(f"ipc://@trizmq-check-{os.getpid()}")


async def test_path(path: Path) -> None:
    async with trizmq.Pull() as pull, trizmq.Push() as push:
        assert await meet(pull, push, f"ipc://{path}") == f"ipc://{path}"
        assert stat.S_ISSOCK(path.stat().st_mode)
        await push.send(b"x")
        assert await pull.recv() == b"x"
    assert not path.exists()


async def test_relative_path(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(path.parent)
    async with trizmq.Pull() as pull, trizmq.Push() as push:
        await meet(pull, push, "ipc://socket")
        assert path.exists()
    assert not path.exists()


async def test_removed_although_the_working_folder_changed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative path means what it meant when it was bound."""
    monkeypatch.chdir(path.parent)
    async with trizmq.Pull() as pull:
        await pull.bind("ipc://socket")
        monkeypatch.chdir("/")
    assert not path.exists()


async def test_chosen_path() -> None:
    async with trizmq.Pull() as pull:
        bound = [await pull.bind("ipc://*") for _ in range(2)]
        assert bound[0] != bound[1]
        files = [Path(endpoint.removeprefix("ipc://")) for endpoint in bound]
        for file in files:
            assert stat.S_ISSOCK(file.stat().st_mode)
            assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
        pull.unbind(bound[0])
        await trio.testing.wait_all_tasks_blocked()
        assert not files[0].parent.exists()
        assert files[1].exists()
    assert not files[1].parent.exists()


@linux
async def test_abstract() -> None:
    name = f"@trizmq-{os.getpid()}"
    async with trizmq.Pull() as pull, trizmq.Push() as push:
        await meet(pull, push, f"ipc://{name}")
        assert not Path(name).exists()
        async with trizmq.Pull() as other:
            with pytest.raises(OSError, match=name) as caught:
                await other.bind(f"ipc://{name}")
            assert caught.value.errno == errno.EADDRINUSE


async def test_a_stale_file_is_replaced(path: Path) -> None:
    """Left behind by a process that was killed."""
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
        dead.listen()
    assert path.exists()
    async with trizmq.Pull() as pull, trizmq.Push() as push:
        await meet(pull, push, f"ipc://{path}")
    assert not path.exists()


@pytest.mark.parametrize("listening", ["trizmq", "other", "other, with a full backlog"])
async def test_a_live_path_is_refused(path: Path, listening: str) -> None:
    """libzmq steals it."""
    async with trizmq.Pull() as owner, trizmq.Pull() as late:
        with socket.socket(socket.AF_UNIX) as other:
            waiting = []
            if listening == "trizmq":
                await owner.bind(f"ipc://{path}")
            else:
                other.bind(str(path))
                other.listen(0)
                while "full" in listening:
                    one = socket.socket(socket.AF_UNIX)
                    waiting.append(one)
                    one.setblocking(False)
                    try:
                        one.connect(str(path))
                    except BlockingIOError:
                        break
            before = path.stat().st_ino
            with trio.fail_after(2), pytest.raises(OSError, match=f"ipc://{path}") as caught:
                await late.bind(f"ipc://{path}")
            assert caught.value.errno == errno.EADDRINUSE
            assert path.stat().st_ino == before
            for one in waiting:
                one.close()


@pytest.mark.parametrize("kind", ["file", "folder", "link to a file"])
async def test_what_is_no_socket_is_refused_and_kept(path: Path, kind: str) -> None:
    if kind == "folder":
        path.mkdir()
    elif kind == "file":
        path.write_text("precious")
    else:
        target = path.with_name("target")
        target.write_text("precious")
        path.symlink_to(target)
    async with trizmq.Pull() as pull:
        with pytest.raises(OSError, match=f"ipc://{path}.*no socket"):
            await pull.bind(f"ipc://{path}")
    assert path.is_dir() if kind == "folder" else path.read_text() == "precious"


async def test_somebody_elses_file_is_not_removed(path: Path) -> None:
    """Our file was replaced behind our back: it is not ours any more."""
    async with trizmq.Pull() as pull:
        await pull.bind(f"ipc://{path}")
        path.unlink()
        path.write_text("somebody else's")
    assert path.read_text() == "somebody else's"


async def test_a_file_that_is_gone_is_no_error(path: Path) -> None:
    async with trizmq.Pull() as pull:
        await pull.bind(f"ipc://{path}")
        path.unlink()


async def test_a_folder_that_does_not_exist(path: Path) -> None:
    async with trizmq.Pull() as pull:
        with pytest.raises(FileNotFoundError, match=f"ipc://{path}/deeper"):
            await pull.bind(f"ipc://{path}/deeper")


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
async def test_a_folder_that_is_not_ours(path: Path) -> None:
    path.parent.chmod(0o500)
    async with trizmq.Pull() as pull:
        with pytest.raises(PermissionError, match=f"ipc://{path}"):
            await pull.bind(f"ipc://{path}")
    path.parent.chmod(0o700)


async def test_the_longest_path(path: Path) -> None:
    room = (107 if sys.platform == "linux" else 103) - len(os.fsencode(path.parent)) - 1
    longest = path.parent / ("x" * room)
    async with trizmq.Pull() as pull, trizmq.Push() as push:
        await meet(pull, push, f"ipc://{longest}")
        with pytest.raises(trizmq.EndpointError, match="too long"):
            await pull.bind(f"ipc://{longest}x")


async def test_a_cancelled_bind_leaves_no_file(path: Path) -> None:
    async with trizmq.Pull() as pull:
        with trio.CancelScope() as scope:
            scope.cancel()
            await pull.bind(f"ipc://{path}")
        assert scope.cancelled_caught
        assert not path.exists()
        await pull.bind(f"ipc://{path}")


async def test_two_binds_of_one_path_at_once(path: Path) -> None:
    """One gets it; the other an error; and the file that is there is the one's that got it."""
    async with trizmq.Pull() as first, trizmq.Pull() as second, trizmq.Push() as push:
        errors: list[OSError] = []

        async def bind(pull: trizmq.Pull) -> None:
            try:
                await pull.bind(f"ipc://{path}")
            except OSError as error:
                errors.append(error)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(bind, first)
            nursery.start_soon(bind, second)
        assert [error.errno for error in errors] == [errno.EADDRINUSE]
        push.connect(f"ipc://{path}")
        with trio.fail_after(2):
            await push.wait_connected()


@linux
async def test_addresses_tell_who_the_peer_is() -> None:
    async with trizmq.Pull() as pull, trizmq.Push() as push:
        await meet(pull, push, "ipc://*")
        expected = f"localhost:{os.getuid()}:{os.getgid()}:{os.getpid()}"
        assert pull.statistics().peers[0].address == expected

"""GSSAPI between trizmq and libzmq, with a KDC of the test's own; and what comes of missing tickets and altered traffic."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import trio

import trizmq
from tests.interop.driver import PeerProcess, PeerSocket, running_peer, until
from tests.interop.peer import describe
from trizmq import auth
from trizmq.auth import AuthenticationRequest, Decision
from trizmq.events import CRYPTOGRAPHIC
from trizmq.wire.mechanisms.gssapi_backend import GssError, Principal, acceptor, initiator

TIME = 20
REALM = "TRIZMQ.TEST"
SERVICE = "zmq@localhost"
OTHER = "other@localhost"  #: a service that the KDC knows, and whose keys our servers do not have
ANN = f"ann@{REALM}"
HANDLER = "inproc://zeromq.zap.01"
LIBZMQ = "/usr/bin/python3"  #: the system's pyzmq, whose libzmq may have GSSAPI; that of the wheels has not

ENCRYPTED = pytest.mark.parametrize("plaintext", [False, True], ids=["encrypted", "plaintext"])
MESSAGES = [[b"one"], [b"", b"two", b"x" * 300], [b"y" * 70_000], [b""]]

_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
_MISSING = [
    name for name in ("krb5kdc", "kdb5_util", "kadmin.local", "kinit") if shutil.which(name, path=_PATH) is None
]


def _check_libzmq() -> None:
    probe = "import sys, zmq; sys.exit(not zmq.has('gssapi'))"
    if not os.path.exists(LIBZMQ) or subprocess.run([LIBZMQ, "-c", probe], check=False).returncode:
        pytest.skip(f"{LIBZMQ} has no pyzmq whose libzmq has GSSAPI")


pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("gssapi") is None, reason="the package gssapi is not installed"),
    pytest.mark.skipif(bool(_MISSING), reason=f"not installed: {', '.join(_MISSING)}"),
]


# ---- the KDC


@dataclass
class Realm:
    """A KDC that runs, and the environment of those who use it."""

    folder: Path
    env: dict[str, str]

    def run(self, *command: str, text: str = "") -> None:
        program = str(shutil.which(command[0], path=_PATH))
        subprocess.run([program, *command[1:]], env=self.env, input=text.encode(), check=True, capture_output=True)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


@pytest.fixture(scope="module")
def realm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Realm]:
    """With a user who has a ticket, and a service whose keys are in the keytab."""
    folder = tmp_path_factory.mktemp("kdc")
    port = _free_port()
    (folder / "krb5.conf").write_text(
        f"""
[libdefaults]
    default_realm = {REALM}
    dns_lookup_kdc = false
    dns_lookup_realm = false
    dns_canonicalize_hostname = false
    rdns = false
    udp_preference_limit = 1
[realms]
    {REALM} = {{
        kdc = 127.0.0.1:{port}
    }}
[domain_realm]
    localhost = {REALM}
[logging]
    kdc = STDERR
"""
    )
    (folder / "kdc.conf").write_text(
        f"""
[kdcdefaults]
    kdc_listen = ""
    kdc_tcp_listen = 127.0.0.1:{port}
[realms]
    {REALM} = {{
        database_name = {folder}/principal
        key_stash_file = {folder}/stash
        acl_file = {folder}/acl
        max_life = 1h
    }}
"""
    )
    env = os.environ | {
        "KRB5_CONFIG": f"{folder}/krb5.conf",
        "KRB5_KDC_PROFILE": f"{folder}/kdc.conf",
        "KRB5_KTNAME": f"FILE:{folder}/service.keytab",
        "KRB5CCNAME": f"FILE:{folder}/tickets",
        "KRB5RCACHEDIR": str(folder),
    }
    found = Realm(folder, env)
    found.run("kdb5_util", "create", "-s", "-r", REALM, "-P", "master")
    for principal, keytab in (("zmq/localhost", "service"), ("other/localhost", "other"), ("ann", "ann")):
        found.run("kadmin.local", "-r", REALM, "addprinc", "-randkey", principal)
        found.run("kadmin.local", "-r", REALM, "ktadd", "-k", f"{folder}/{keytab}.keytab", principal)
    with subprocess.Popen(
        [str(shutil.which("krb5kdc", path=_PATH)), "-n", "-r", REALM], env=env, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stderr is not None
            said = []
            for line in process.stderr:
                said.append(line)
                if "commencing operation" in line:
                    break
            else:
                pytest.fail("the KDC did not start: " + "".join(said))
            found.run("kinit", "-k", "-t", f"{folder}/ann.keytab", "ann")
            yield found
        finally:
            process.kill()


@pytest.fixture(autouse=True)
def kerberos(realm: Realm, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes this process one of the realm's."""
    for name, value in realm.env.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
async def peer(realm: Realm, nursery: trio.Nursery) -> AsyncIterator[PeerProcess]:
    """libzmq, with ann's ticket."""
    _check_libzmq()
    async with running_peer(nursery, LIBZMQ, realm.env) as process:
        yield process


@pytest.fixture
async def service_peer(realm: Realm, nursery: trio.Nursery) -> AsyncIterator[PeerProcess]:
    """The same with the service's keys. libzmq acquires them for both ends of a conversation, so it needs a ticket too."""
    _check_libzmq()
    own = {"KRB5CCNAME": f"FILE:{realm.folder}/service-tickets", "KRB5_CLIENT_KTNAME": realm.env["KRB5_KTNAME"]}
    async with running_peer(nursery, LIBZMQ, realm.env | own) as process:
        yield process


class Doorman:
    """Lets in ann, and remembers who asked."""

    def __init__(self) -> None:
        self.asked: list[AuthenticationRequest] = []
        self._decide = auth.allowed_principals([ANN])

    async def __call__(self, request: AuthenticationRequest) -> Decision:
        self.asked.append(request)
        return await self._decide(request)


def described(message: list[bytes]) -> list[str]:
    return [describe(frame) for frame in message]


async def both_ways(ours: trizmq.Dealer, theirs: PeerSocket) -> None:
    for message in MESSAGES:
        await ours.send(message)
        assert await theirs.recv() == [described(message)]
        await theirs.send(message)
        assert await ours.receive() == message


# ---- with libzmq


@ENCRYPTED
async def test_our_server(peer: PeerProcess, plaintext: bool) -> None:
    doorman = Doorman()
    with trio.fail_after(TIME):
        security = trizmq.GssapiServer(principal=SERVICE, authenticator=doorman, plaintext=plaintext, domain="front")
        async with trizmq.Dealer(security=security) as ours:
            endpoint = await ours.bind("tcp://127.0.0.1:*")
            theirs = await peer.open("DEALER", GSSAPI_SERVICE_PRINCIPAL=SERVICE, GSSAPI_PLAINTEXT=int(plaintext))
            await theirs.connect(endpoint)
            await both_ways(ours, theirs)
            (known,) = ours.peers()
            assert known.user_id == ANN
            (request,) = doorman.asked
            assert (request.mechanism, request.principal, request.domain) == ("GSSAPI", ANN, "front")


@ENCRYPTED
async def test_our_client(service_peer: PeerProcess, plaintext: bool) -> None:
    with trio.fail_after(TIME):
        handler = await service_peer.open("REP")
        await handler.bind(HANDLER)
        authenticating = await handler.begin("authenticate", status="200")
        theirs = await service_peer.open(
            "DEALER",
            GSSAPI_SERVER=1,
            GSSAPI_PRINCIPAL=SERVICE,
            GSSAPI_PLAINTEXT=int(plaintext),
            ZAP_DOMAIN="front",
        )
        endpoint = await theirs.bind("tcp://127.0.0.1:*")
        security = trizmq.GssapiClient(service_principal=SERVICE, plaintext=plaintext)
        async with trizmq.Dealer(security=security) as ours:
            ours.connect(endpoint)
            await both_ways(ours, theirs)
        await handler.set(LINGER=0)  # the order that ends the other
        (question,) = await authenticating.answer()
        assert question[-2:] == [b"GSSAPI".hex(), ANN.encode().hex()]


async def test_subscriptions_and_heartbeats(peer: PeerProcess, service_peer: PeerProcess) -> None:
    # A SUB of libzmq 4.3.3 to 4.3.5 encrypts its subscriptions without saying that they are such: it can only subscribe in
    # plaintext, at libzmq's publishers too.
    server = trizmq.GssapiServer(authenticator=auth.allow_any, plaintext=True)
    client = trizmq.GssapiClient(service_principal=SERVICE)
    with trio.fail_after(TIME):
        async with (
            trizmq.XPub(security=server, heartbeat_interval=0.05) as ours,
            trizmq.Sub(security=client, heartbeat_interval=0.05) as sub,
        ):
            theirs = await peer.open("SUB", GSSAPI_SERVICE_PRINCIPAL=SERVICE, GSSAPI_PLAINTEXT=1, SUBSCRIBE="topic")
            await theirs.connect(await ours.bind("tcp://127.0.0.1:*"))
            assert await ours.receive() == [b"\x01topic"]
            await ours.send([b"elsewhere"])
            await ours.send([b"topic one"])
            assert await theirs.recv() == [described([b"topic one"])]
            await theirs.set(UNSUBSCRIBE="topic")
            assert await ours.receive() == [b"\x00topic"]

            xpub = await service_peer.open("XPUB", GSSAPI_SERVER=1, HEARTBEAT_IVL=50)
            sub.connect(await xpub.bind("tcp://127.0.0.1:*"))
            sub.subscribe(b"to")
            assert await xpub.recv() == [described([b"\x01to"])]
            await xpub.send([b"elsewhere"], [b"topic two"])
            assert await sub.receive() == [b"topic two"]
            sub.unsubscribe(b"to")
            assert await xpub.recv() == [described([b"\x00to"])]
            for socket in (ours, sub):
                assert len(socket.peers()) == 1


async def test_libzmq_with_a_ticket_for_another_service(peer: PeerProcess) -> None:
    with trio.fail_after(TIME):
        doorman = Doorman()
        async with trizmq.Dealer(security=trizmq.GssapiServer(authenticator=doorman)) as ours:
            events = ours.events()
            theirs = await peer.open("DEALER", GSSAPI_SERVICE_PRINCIPAL=OTHER)
            await theirs.connect(await ours.bind("tcp://127.0.0.1:*"))
            failed = await until(events, trizmq.HandshakeFailedProtocol)
            assert failed.code == CRYPTOGRAPHIC
            assert doorman.asked == []


@pytest.mark.parametrize("ours_plain", [False, True])
async def test_one_encrypts_and_the_other_does_not(peer: PeerProcess, ours_plain: bool) -> None:
    with trio.fail_after(TIME):
        security = trizmq.GssapiServer(authenticator=auth.allow_any, plaintext=ours_plain)
        async with trizmq.Dealer(security=security) as ours:
            events = ours.events()
            theirs = await peer.open("DEALER", GSSAPI_SERVICE_PRINCIPAL=SERVICE, GSSAPI_PLAINTEXT=int(not ours_plain))
            await theirs.connect(await ours.bind("tcp://127.0.0.1:*"))
            await until(events, trizmq.HandshakeFailed)
            assert not ours.peers()


async def test_libzmq_refused(peer: PeerProcess) -> None:
    with trio.fail_after(TIME):
        security = trizmq.GssapiServer(authenticator=auth.allowed_principals([f"bob@{REALM}"]))
        async with trizmq.Dealer(security=security) as ours:
            events = ours.events()
            theirs = await peer.open("DEALER", GSSAPI_SERVICE_PRINCIPAL=SERVICE)
            await theirs.connect(await ours.bind("tcp://127.0.0.1:*"))
            assert (await until(events, trizmq.HandshakeFailedAuth)).code == 400


async def test_no_other_mechanism(peer: PeerProcess) -> None:
    with trio.fail_after(TIME):
        async with trizmq.Dealer(security=trizmq.GssapiServer(authenticator=auth.allow_any)) as ours:
            events = ours.events()
            theirs = await peer.open("DEALER")
            await theirs.connect(await ours.bind("tcp://127.0.0.1:*"))
            await until(events, trizmq.HandshakeFailed)
            assert not ours.peers()


# ---- among ourselves


async def test_among_ourselves() -> None:
    doorman = Doorman()
    client = trizmq.GssapiClient(
        service_principal=f"zmq/localhost@{REALM}",
        service_principal_type="krb5",
        principal="ann",
        principal_type="user",
    )
    with trio.fail_after(TIME):
        async with (
            trizmq.Rep(security=trizmq.GssapiServer(authenticator=doorman)) as rep,
            trizmq.Req(security=client) as req,
        ):
            req.connect(await rep.bind("tcp://127.0.0.1:*"))
            await req.send([b"a", b"b"])
            assert await rep.receive() == [b"a", b"b"]
            await rep.send(b"c")
            assert await req.receive() == [b"c"]
            assert [request.principal for request in doorman.asked] == [ANN]


def test_no_ticket(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KRB5CCNAME", f"FILE:{tmp_path}/none")
    with pytest.raises(trizmq.OptionError, match="no ticket for zmq@localhost"):
        trizmq.GssapiClient(service_principal=SERVICE)


@pytest.mark.parametrize(
    "options", [{"service_principal": "nobody@localhost"}, {"service_principal": SERVICE, "principal": "bob@localhost"}]
)
def test_no_such_principal(options: dict[str, str]) -> None:
    with pytest.raises(trizmq.OptionError, match="no ticket for"):
        trizmq.GssapiClient(**options)  # type: ignore[arg-type]


def test_no_keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(trizmq.OptionError, match="no keys to accept tickets with"):
        trizmq.GssapiServer(principal=OTHER, authenticator=auth.allow_any)
    monkeypatch.setenv("KRB5_KTNAME", f"FILE:{tmp_path}/none")
    with pytest.raises(trizmq.OptionError, match="no keys to accept tickets with"):
        trizmq.GssapiServer(authenticator=auth.allow_any)


def test_what_the_library_lets_pass() -> None:
    one = initiator(Principal(SERVICE, "hostbased"), None)()
    other = acceptor(None)()
    one.step(other.step(one.step(None)))
    assert one.complete
    assert other.complete
    assert other.initiator == ANN.encode()
    for sender, receiver in ((one, other), (other, one)):
        first, second, third, fourth = (sender.wrap(text) for text in (b"1", b"2", b"3", b"4"))
        assert receiver.unwrap(first) == b"1"
        with pytest.raises(GssError):
            receiver.unwrap(first)
        assert receiver.unwrap(third) == b"3"  # without the second
        with pytest.raises(GssError, match="out of order"):
            receiver.unwrap(second)
        for position in range(len(fourth)):
            altered = bytearray(fourth)
            altered[position] ^= 1
            with pytest.raises(GssError):
                receiver.unwrap(bytes(altered))
        assert receiver.unwrap(fourth) == b"4"
        with pytest.raises(GssError):  # back to its sender
            sender.unwrap(fourth)


async def test_a_ticket_that_is_gone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    client = trizmq.GssapiClient(service_principal=SERVICE)
    server = trizmq.GssapiServer(authenticator=auth.allow_any)
    monkeypatch.setenv("KRB5CCNAME", f"FILE:{tmp_path}/none")
    with trio.fail_after(TIME):
        async with trizmq.Dealer(security=server) as one, trizmq.Dealer(security=client) as other:
            events = other.events()
            other.connect(await one.bind("tcp://127.0.0.1:*"))
            assert (await until(events, trizmq.HandshakeFailedProtocol)).code == CRYPTOGRAPHIC


@asynccontextmanager
async def altering_relay(nursery: trio.Nursery, endpoint: str) -> AsyncIterator[tuple[str, list[bytes]]]:
    """Between two ends: what the connecting side sends with a command of these names in it has its last bit flipped."""
    host, _, port = endpoint.removeprefix("tcp://").rpartition(":")
    alter: list[bytes] = []

    async def pump(source: trio.SocketStream, sink: trio.SocketStream, names: list[bytes]) -> None:
        try:
            async for data in source:
                altered = any(name in data for name in names)
                await sink.send_all(data[:-1] + bytes((data[-1] ^ 1,)) if altered else bytes(data))
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass

    async def relay(stream: trio.SocketStream) -> None:
        async with await trio.open_tcp_stream(host, int(port)) as onward, trio.open_nursery() as inner:
            inner.start_soon(pump, stream, onward, alter)
            await pump(onward, stream, [])
            inner.cancel_scope.cancel()

    listeners: list[trio.SocketListener] = await nursery.start(trio.serve_tcp, relay, 0)
    found = next(one for one in listeners if one.socket.family == socket.AF_INET)
    yield f"tcp://127.0.0.1:{found.socket.getsockname()[1]}", alter


async def test_altered_traffic(peer: PeerProcess) -> None:
    with trio.fail_after(TIME):
        async with trizmq.Dealer(security=trizmq.GssapiServer(authenticator=auth.allow_any)) as ours:
            events = ours.events()
            endpoint = await ours.bind("tcp://127.0.0.1:*")
            async with trio.open_nursery() as nursery, altering_relay(nursery, endpoint) as (detour, alter):
                theirs = await peer.open("DEALER", GSSAPI_SERVICE_PRINCIPAL=SERVICE)
                await theirs.connect(detour)
                await both_ways(ours, theirs)
                alter.append(b"MESSAGE")
                await theirs.send([b"altered"])
                gone = await until(events, trizmq.Disconnected)
                assert "not genuine" in gone.cause
                with pytest.raises(trio.WouldBlock):
                    ours.receive_nowait()
                nursery.cancel_scope.cancel()


async def test_altered_tokens() -> None:
    client = trizmq.GssapiClient(service_principal=SERVICE)
    with trio.fail_after(TIME):
        async with (
            trizmq.Dealer(security=trizmq.GssapiServer(authenticator=auth.allow_any)) as one,
            trizmq.Dealer(security=client) as other,
            trio.open_nursery() as nursery,
        ):
            events = one.events()
            async with altering_relay(nursery, await one.bind("tcp://127.0.0.1:*")) as (detour, alter):
                alter.append(b"INITIATE")
                other.connect(detour)
                failed = await until(events, trizmq.HandshakeFailedProtocol)
                assert failed.code == CRYPTOGRAPHIC
                assert not one.peers()
            nursery.cancel_scope.cancel()

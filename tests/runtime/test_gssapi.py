"""The values of ``security=`` for GSSAPI, over a stand-in for the package, and who is asked."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
import trio

import trizmq
from tests.runtime.helpers import meet
from tests.wire.fake_gssapi import SecurityContext, installed
from trizmq import auth
from trizmq.auth import Allow, AuthenticationRequest, Decision, Deny
from trizmq.wire.mechanisms import gssapi_backend

TIME = 10
ANN = "ann@REALM"


@pytest.fixture(autouse=True)
def fake() -> Iterator[type[SecurityContext]]:
    with installed() as contexts:
        yield contexts


@pytest.mark.parametrize("plaintext", [False, True])
async def test_who_is_let_in(plaintext: bool) -> None:
    asked: list[AuthenticationRequest] = []

    async def authenticator(request: AuthenticationRequest) -> Decision:
        asked.append(request)
        return await auth.allowed_principals([ANN])(request)

    server = trizmq.GssapiServer(authenticator=authenticator, domain="front", plaintext=plaintext)
    client = trizmq.GssapiClient(service_principal="zmq@host", plaintext=plaintext)
    assert (server.mechanism, client.mechanism) == ("GSSAPI", "GSSAPI")
    with trio.fail_after(TIME):
        async with trizmq.Dealer(security=server) as one, trizmq.Dealer(security=client) as other:
            await meet(one, other)
            await other.send([b"hello", b"there"])
            assert await one.receive() == [b"hello", b"there"]
            (known,) = one.peers()
            assert (known.mechanism, known.user_id) == ("GSSAPI", ANN)
    (request,) = asked
    assert (request.mechanism, request.principal, request.domain) == ("GSSAPI", ANN, "front")
    assert (request.username, request.public_key, request.credentials) == (None, None, (ANN.encode(),))


async def test_the_zap_handler_is_asked(nursery: trio.Nursery) -> None:
    asked: list[AuthenticationRequest] = []

    async def authenticator(request: AuthenticationRequest) -> Decision:
        asked.append(request)
        return Allow("user")

    with trio.fail_after(TIME):
        await nursery.start(auth.serve_zap, authenticator)
        server = trizmq.GssapiServer(domain="front")
        client = trizmq.GssapiClient(service_principal="zmq@host", principal="bob@REALM", principal_type="krb5")
        async with trizmq.Dealer(security=server) as one, trizmq.Dealer(security=client) as other:
            await meet(one, other)
            assert one.peers()[0].user_id == "user"
        nursery.cancel_scope.cancel()
    assert [(request.mechanism, request.principal) for request in asked] == [("GSSAPI", "bob@REALM")]


async def test_a_refused_principal() -> None:
    server = trizmq.GssapiServer(authenticator=auth.allowed_principals(["bob@REALM"]))
    client = trizmq.GssapiClient(service_principal="zmq@host")
    with trio.fail_after(TIME):
        async with trizmq.Dealer(security=server) as one, trizmq.Dealer(security=client) as other:
            events = one.events()
            other.connect(await one.bind("tcp://127.0.0.1:*"))
            async for event in events:
                if isinstance(event, trizmq.HandshakeFailedAuth):
                    assert event.code == 400
                    break
            assert not one.peers()


def request(principal: str | None) -> AuthenticationRequest:
    return AuthenticationRequest(mechanism="GSSAPI" if principal else "NULL", principal=principal)


async def test_authenticators() -> None:
    authenticator = auth.allowed_principals(iter([ANN, "bob@REALM"]))
    assert await authenticator(request(ANN)) == Allow(ANN)
    assert await authenticator(request("bob@REALM")) == Allow("bob@REALM")
    for stranger in ("eve@REALM", "Ann@REALM", "ann", "ann@REALM.ORG"):
        assert await authenticator(request(stranger)) == Deny(400, f"{stranger} is not allowed")
    assert await authenticator(request(None)) == Deny(400, "NULL proves no principal")
    assert await auth.allow_any(request(ANN)) == Allow(ANN)
    with pytest.raises(ValueError, match="put a single one into a list"):
        auth.allowed_principals(ANN)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({}, "GssapiServer without an authenticator would let in nobody or everybody"),
        ({"authenticator": auth.allow_any, "principal": "nobody@host"}, "no keys to accept tickets with"),
        ({"authenticator": auth.allow_any, "principal": ""}, "a principal is a str"),
        ({"authenticator": auth.allow_any, "principal": b"zmq"}, "a principal is a str"),
        ({"authenticator": auth.allow_any, "principal": "zmq\0"}, "a principal is a str"),
        ({"authenticator": auth.allow_any, "principal_type": "dns"}, "one of hostbased, user, krb5, not 'dns'"),
        ({"authenticator": "ann"}, "an authenticator is an async function"),
    ],
)
def test_a_wrong_server(options: dict[str, object], match: str) -> None:
    with pytest.raises(trizmq.OptionError, match=match):
        trizmq.GssapiServer(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"service_principal": None}, "not None"),
        ({"service_principal": ""}, "a principal is a str"),
        ({"service_principal": "zmq@host", "principal": "nobody"}, "no ticket for zmq@host: no credentials for nobody"),
        ({"service_principal": "zmq@host", "service_principal_type": 2}, "not 2"),
    ],
)
def test_a_wrong_client(options: dict[str, object], match: str) -> None:
    with pytest.raises(trizmq.OptionError, match=match):
        trizmq.GssapiClient(**options)  # type: ignore[arg-type]


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gssapi", None)
    gssapi_backend.load.cache_clear()
    with pytest.raises(ImportError, match=r"pip install 'trizmq\[gssapi\]'"):
        trizmq.GssapiServer(authenticator=auth.allow_any)
    with pytest.raises(ImportError, match=r"pip install 'trizmq\[gssapi\]'"):
        trizmq.GssapiClient(service_principal="zmq@host")


def test_whether_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trizmq.capabilities.find_spec", lambda name: object() if name == "gssapi" else None)
    assert trizmq.has("gssapi")
    monkeypatch.setattr("trizmq.capabilities.find_spec", lambda name: None)
    assert not trizmq.has("gssapi")

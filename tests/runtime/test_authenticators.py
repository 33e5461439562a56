"""The ready-made authenticators of ``trizmq.auth``, asked without any network."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

import trizmq
from trizmq import auth
from trizmq.auth import Allow, AuthenticationRequest, Authenticator, Decision, Deny

from .test_security import CLIENT, SERVER, STRANGER, Doorman


def untyped(value: object) -> Any:
    """For what a type checker would not let pass."""
    return value


def null(address: str = "") -> AuthenticationRequest:
    return AuthenticationRequest("NULL", address=address)


def plain(username: str, password: str) -> AuthenticationRequest:
    return AuthenticationRequest("PLAIN", username=username, password=password)


def curve(keys: auth.KeyPair) -> AuthenticationRequest:
    return AuthenticationRequest("CURVE", public_key=keys.public)


async def lets_in(authenticator: Authenticator, request: AuthenticationRequest) -> bool:
    decision = await authenticator(request)
    assert isinstance(decision, Allow) or decision.status == 400
    return isinstance(decision, Allow)


# ---- the values


def test_requests() -> None:
    """Credentials are the frames of ZAP, whatever bytes there were; the password is not shown."""
    assert null().credentials == ()
    assert curve(CLIENT).credentials == (CLIENT.public,)
    assert curve(CLIENT).public_key_z85 == CLIENT.public_z85
    assert null().public_key_z85 == ""
    odd = b"\xff\x00".decode("utf-8", "surrogateescape")
    assert plain(odd, "hunter2").credentials == (b"\xff\x00", b"hunter2")
    assert "hunter2" not in repr(plain("ann", "hunter2"))


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: Allow(untyped(5)), TypeError, "user id is a str, not int"),
        (lambda: Allow("ü" * 128), ValueError, "at most 255 bytes"),
        (lambda: Allow("", untyped({"a": "b"})), TypeError, "str to bytes, not str to str"),
        (lambda: Allow("", untyped({b"a": b"b"})), TypeError, "not bytes to bytes"),
        (lambda: Allow("", {"": b""}), ValueError, "1 to 255 characters"),
        (lambda: Allow("", {"ä": b""}), ValueError, "ASCII"),
        (lambda: Deny(200), ValueError, "300, 400 or 500"),
        (lambda: Deny(untyped("400")), ValueError, "300, 400 or 500"),
        (auth.addresses, ValueError, "allow_any"),
        (lambda: auth.addresses("10.0.0.0/8"), ValueError, "a list"),
        (lambda: auth.addresses(["10.0.0.1/8"]), ValueError, "host bits"),
        (lambda: auth.passwords(untyped({"ann": b"x"})), TypeError, "all of them str"),
        (lambda: auth.allowed_keys(CLIENT.public_z85), ValueError, "into a list"),
        (lambda: auth.allowed_keys(["short"]), ValueError, "5 characters"),
        (lambda: auth.allowed_keys(untyped(bytearray(CLIENT.public))), ValueError, "into a list"),
        (
            lambda: auth.allowed_keys(untyped({1: CLIENT.public})),
            TypeError,
            r"allowed_keys\(\): a user id is a str, not int",
        ),
        (lambda: auth.allowed_keys({"x" * 256: CLIENT.public}), ValueError, "at most 255 bytes, not 256"),
        (lambda: auth.allowed_keys({"ann": "short"}), ValueError, "5 characters; it is that of 'ann'"),
        (lambda: auth.allowed_keys(untyped({CLIENT.public: "ann"})), TypeError, "a user id is a str, not bytes"),
        (lambda: auth.allowed_keys(untyped({"ann": None})), TypeError, "not NoneType; it is that of 'ann'"),
        (lambda: auth.allowed_principals("ann@R"), ValueError, "into a list"),
        (
            lambda: auth.allowed_principals(untyped([1])),
            TypeError,
            r"allowed_principals\(\): a principal is a str.*not 1",
        ),
        (lambda: auth.allowed_principals(["x" * 256]), ValueError, "at most 255 bytes"),
        (lambda: auth.allowed_principals(["\ud800"]), ValueError, r"allowed_principals\(\): .*surrogates not allowed"),
        (lambda: auth.allowed_keys({"\ud800": bytes(32)}), ValueError, r"allowed_keys\(\): .*surrogates not allowed"),
        (lambda: auth.certificates("/nowhere"), NotADirectoryError, "/nowhere"),
        (auth.all_of, ValueError, "allow_any"),
        (lambda: auth.zap("ä"), ValueError, "ASCII"),
        (lambda: auth.zap(untyped(1)), TypeError, "a ZAP domain is a str, not int"),
        (lambda: Allow("x", untyped([1])), TypeError, "maps str to bytes, and is no list"),
        (lambda: Deny(400, untyped(7)), TypeError, "text of a refusal is a str, not int"),
        (lambda: auth.addresses(untyped([1])), TypeError, "allow has texts such as '10.0.0.0/8', not 1"),
        (lambda: auth.addresses(deny=untyped([b"\x7f\0\0\1"])), TypeError, "deny has texts"),
        (lambda: auth.passwords(untyped(["ann", "pw"])), TypeError, "a mapping from user names to passwords, not list"),
        (lambda: auth.all_of(untyped([auth.allow_any])), TypeError, "one by one, not a list"),
        (lambda: auth.all_of(auth.allow_any, untyped(None)), TypeError, "number 2: .* not None"),
    ],
)
def test_what_cannot_be(make: Callable[[], object], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        make()


class Asked:
    """An authenticator that is an object, one of its methods, or nothing that could be asked."""

    async def __call__(self, request: AuthenticationRequest) -> Decision:
        return Allow()

    async def asked(self, request: AuthenticationRequest) -> Decision:
        return Allow()

    def not_async(self, request: AuthenticationRequest) -> Decision:
        return Allow()

    async def many(self, request: AuthenticationRequest) -> AsyncIterator[Decision]:
        yield Allow()


@functools.wraps(auth.allow_any)
def wrapped(request: AuthenticationRequest) -> Awaitable[Decision]:
    return auth.allow_any(request)


@pytest.mark.parametrize(
    "authenticator",
    [
        Asked(),
        Asked().asked,
        functools.partial(Asked.asked, Asked()),
        wrapped,
        auth.allow_any,
        auth.zap(),
        auth.all_of(wrapped),
    ],
)
async def test_what_can_be_asked(authenticator: Authenticator) -> None:
    assert trizmq.Null(authenticator=authenticator).authenticator is authenticator
    auth.all_of(authenticator)


@pytest.mark.parametrize(
    ("authenticator", "text"),
    [
        (auth.passwords, r"auth\.passwords makes an authenticator when it is called: auth\.passwords\(\.\.\.\)"),
        (auth.zap, r"auth\.zap\(\.\.\.\)"),
        (lambda request: Allow(), "<lambda> is not: write 'async def'"),
        (Asked, r"Asked\(\.\.\.\)"),
        (Asked().not_async, "not_async is not"),
        (Asked().many, "many has 'yield'"),
        ({"ann": "pw"}, "not a dict"),
    ],
)
async def test_what_cannot_be_asked(authenticator: object, text: str) -> None:
    with pytest.raises(trizmq.OptionError, match=rf"PlainServer: .*{text}"):
        trizmq.PlainServer(authenticator=untyped(authenticator))
    with pytest.raises(TypeError, match=rf"number 1: .*{text}"):
        auth.all_of(untyped(authenticator))
    with pytest.raises(TypeError, match=text):
        await auth.serve_zap(untyped(authenticator))


async def test_a_handler_that_cannot_be() -> None:
    with pytest.raises(TypeError, match="not None"):
        await auth.serve_zap(untyped(None))
    with pytest.raises(TypeError, match=r"takes a trizmq\.Context as context=, not int"):
        await auth.serve_zap(auth.allow_any, context=untyped(1))


def test_metadata_is_a_copy() -> None:
    properties = {"a": b"b"}
    allow = Allow("", properties)
    properties["a"] = b"c"
    assert allow.metadata == {"a": b"b"}


# ---- who is let in


async def test_allow_any() -> None:
    assert await auth.allow_any(null()) == Allow()
    assert await auth.allow_any(plain("ann", "x")) == Allow("ann")
    assert await auth.allow_any(curve(CLIENT)) == Allow(CLIENT.public_z85)


@pytest.mark.parametrize(
    ("allow", "deny", "ipc", "inside", "outside"),
    [
        (["10.0.0.0/8", "192.0.2.7"], [], False, "10.1.2.3 192.0.2.7", "192.0.2.8 11.0.0.1 ::1 localhost:0:0:9"),
        ([], ["10.0.0.0/8"], True, "192.0.2.8 ::1 localhost:0:0:9", "10.0.0.1"),
        (["10.0.0.0/8"], ["10.1.0.0/16"], False, "10.2.0.1", "10.1.0.1"),
        (["2001:db8::/32", "fe80::/10"], [], False, "2001:db8::1 fe80::1%eth0", "2001:db9::1 10.0.0.1"),
        (["127.0.0.1"], [], True, "127.0.0.1 localhost:1:2:3", "127.0.0.2"),
    ],
)
async def test_addresses(allow: list[str], deny: list[str], ipc: bool, inside: str, outside: str) -> None:
    authenticator = auth.addresses(allow, deny, ipc=ipc)
    for address in inside.split():
        assert await lets_in(authenticator, null(address))
    for address in [*outside.split(), *([] if ipc else [""])]:
        assert not await lets_in(authenticator, null(address))


async def test_passwords() -> None:
    table = {"ann": "hunter2", "ünal": "pässword", "empty": ""}
    authenticator = auth.passwords(table)
    for name, password in table.items():
        assert await authenticator(plain(name, password)) == Allow(name)
    for name, password in [
        ("ann", "hunter"),
        ("ann", "hunter22"),
        ("ann", ""),
        ("bob", "hunter2"),
        ("", ""),
        ("Ann", "hunter2"),
    ]:
        assert not await lets_in(authenticator, plain(name, password))
    for request in (null(), curve(CLIENT)):
        assert not await lets_in(authenticator, request)
    table["ann"] = "changed"
    del table["empty"]
    assert not await lets_in(authenticator, plain("ann", "hunter2"))
    assert await lets_in(authenticator, plain("ann", "changed"))
    assert not await lets_in(authenticator, plain("empty", ""))
    denied = await authenticator(plain("ann", "guess"))
    assert "guess" not in repr(denied)
    assert "changed" not in repr(denied)


async def test_allowed_keys() -> None:
    by_key = auth.allowed_keys([CLIENT.public_z85, SERVER.public])
    assert await by_key(curve(CLIENT)) == Allow(CLIENT.public_z85)
    assert await by_key(curve(SERVER)) == Allow(SERVER.public_z85)
    by_name = auth.allowed_keys({"ann": CLIENT.public})
    assert await by_name(curve(CLIENT)) == Allow("ann")
    for request in (curve(STRANGER), null(), plain("ann", CLIENT.public_z85)):
        assert not await lets_in(by_key, request)
        assert not await lets_in(by_name, request)


async def test_a_key_that_is_taken_away(caplog: pytest.LogCaptureFixture) -> None:
    """Mappings, sets and lists count as they are when somebody comes; what is wrong in them by then lets nobody in."""
    table: dict[str, bytes | str] = {"ann": CLIENT.public}
    as_set, as_list = {CLIENT.public_z85}, [CLIENT.public]
    for authenticator in map(auth.allowed_keys, (untyped(table), as_set, as_list)):
        assert await lets_in(authenticator, curve(CLIENT))
    by_name = auth.allowed_keys(table)
    table["bob"] = STRANGER.public_z85
    assert await by_name(curve(STRANGER)) == Allow("bob")
    table["bob"] = SERVER.public
    assert not await lets_in(by_name, curve(STRANGER))
    assert caplog.text == ""
    table.update({"bob": STRANGER.secret[:-1], "carol": STRANGER.public})
    for _ in range(3):
        assert await by_name(curve(STRANGER)) == Allow("carol")
        assert not await lets_in(by_name, curve(SERVER))
    assert caplog.text.count("this has 31 bytes; it is that of 'bob'") == 1
    assert repr(STRANGER.secret)[2:10] not in caplog.text
    for changing in (table, as_set, as_list):
        authenticator = auth.allowed_keys(untyped(changing)) if changing is not table else by_name
        changing.clear()
        assert not await lets_in(authenticator, curve(CLIENT))
    once = auth.allowed_keys(key for key in [CLIENT.public])
    for _ in range(2):
        assert await lets_in(once, curve(CLIENT))


async def test_a_principal_that_is_taken_away(caplog: pytest.LogCaptureFixture) -> None:
    ann = AuthenticationRequest("GSSAPI", principal="ann@R")
    allowed: Any
    by_principal = {"ann@R": "Ann"}
    of_mapping = auth.allowed_principals(by_principal)
    assert await of_mapping(ann) == Allow("ann@R")
    by_principal.clear()
    assert not await lets_in(of_mapping, ann)
    for allowed in ({"ann@R"}, ["ann@R"]):
        authenticator = auth.allowed_principals(allowed)
        assert await authenticator(ann) == Allow("ann@R")
        allowed.pop()
        assert not await lets_in(authenticator, ann)
        assert not await lets_in(authenticator, null())
    allowed.extend(untyped([5]))
    assert not await lets_in(authenticator, ann)
    assert "a principal is a str" in caplog.text


async def test_certificates(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Files that come, change, go or are broken count from the next question on."""
    auth.write_certificates(tmp_path, "ann", CLIENT, {"role": "admin"})
    authenticator = auth.certificates(tmp_path)
    assert await authenticator(curve(CLIENT)) == Allow(CLIENT.public_z85, {"role": b"admin"})
    assert not await lets_in(authenticator, curve(STRANGER))
    assert not await lets_in(authenticator, plain("ann", ""))
    auth.write_certificates(tmp_path, "bob", STRANGER)
    assert await lets_in(authenticator, curve(STRANGER))
    (tmp_path / "bob.key").unlink()
    assert not await lets_in(authenticator, curve(STRANGER)), "what is in a secret file is nobody's permission"
    auth.write_certificates(tmp_path, "ann", STRANGER, {"role": "admin"}, overwrite=True)
    assert not await lets_in(authenticator, curve(CLIENT)), "a file of the same size with another key"
    assert await lets_in(authenticator, curve(STRANGER))
    (tmp_path / "bad.key").write_text("nonsense", encoding="utf-8")
    for _ in range(3):
        assert await lets_in(authenticator, curve(STRANGER))
    assert caplog.text.count("bad.key") == 1, "told once"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no such files on this platform")
async def test_a_fifo_is_no_certificate(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Opening it does not wait for somebody to write into it."""
    auth.write_certificates(tmp_path, "ann", CLIENT)
    os.mkfifo(tmp_path / "pipe.key")
    with pytest.raises(ValueError, match=r"pipe\.key is no certificate: it is not a regular file"):
        auth.read_certificate(tmp_path / "pipe.key")
    authenticator = auth.certificates(tmp_path)
    for _ in range(2):
        assert await lets_in(authenticator, curve(CLIENT))
    assert caplog.text.count("not a regular file") == 1


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root reads everything")
async def test_a_certificate_that_cannot_be_read_lets_nobody_in(tmp_path: Path) -> None:
    path, _ = auth.write_certificates(tmp_path, "ann", CLIENT)
    path.chmod(0)
    assert not await lets_in(auth.certificates(tmp_path), curve(CLIENT))


async def test_all_of() -> None:
    first, second = Doorman(Allow("", {"a": b"1"})), Doorman(Allow("ann", {"a": b"2", "b": b"3"}))
    assert await auth.all_of(first, second)(null()) == Allow("ann", {"a": b"1", "b": b"3"})
    first.answer = Deny(300, "later")
    decision: Decision = await auth.all_of(first, second)(null())
    assert decision == Deny(300, "later")
    assert len(second.asked) == 1, "who is refused is not asked about any further"
    first.answer, second.answer = Allow("bob"), Deny(500)
    assert await auth.all_of(first, second)(null()) == Deny(500)

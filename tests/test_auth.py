"""Keys, Z85 (RFC 32, libzmq's test_base85 and test_sodium), and certificate files, also those of pyzmq and czmq."""

from __future__ import annotations

import ast
import logging
import os
import pathlib
import stat
from pathlib import Path

import pytest
import zmq
import zmq.auth
from hypothesis import given, settings
from hypothesis import strategies as st
from nacl import bindings

import trizmq
from trizmq import auth, certificates
from trizmq.auth import (
    Certificate,
    KeyPair,
    as_key,
    curve_public,
    keygen,
    read_certificate,
    write_certificates,
    z85_decode,
    z85_encode,
)

C_SECRET, S_SECRET = b"\x11" * 32, b"\x22" * 32
C = bytes.fromhex("7b4e909bbe7ffe44c465a220037d608ee35897d31ef972f07f74892cb0f73f13")
S = bytes.fromhex("0faa684ed28867b97f4a6a2dee5df8ce974e76b7018e3f22a1c4cf2678570f20")
C_Z85 = "DRPV(ZjlbI-atU=1asNq<5?U%9@f<CE@{I#U>Hu}"
S_Z85 = "52%qr^UILDE[BDc)P]RkMRI.k0GGw*P#tn7CVLy#"

keys32 = st.binary(min_size=32, max_size=32)


# ---- Z85


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", ""),
        (bytes.fromhex("864fd26fb559f75b"), "HelloWorld"),
        (
            bytes.fromhex("8e0bdd697628b91d8f245587ee95c5b04d48963f79259877b49cd9063aead3b7"),
            "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6",
        ),
        (b"\xff\xff\xff\xff", "%nSc0"),
        (bytes(4), "00000"),
        (C, C_Z85),
        (S, S_Z85),
    ],
)
def test_z85_vectors(data: bytes, text: str) -> None:
    assert z85_encode(data) == text
    assert z85_decode(text) == z85_decode(text.encode()) == data


@pytest.mark.parametrize("size", [1, 2, 3, 5, 33])
def test_z85_encodes_groups_of_four(size: int) -> None:
    with pytest.raises(ValueError, match=f"{size} is not a multiple of four"):
        z85_encode(bytes(size))


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("0", "1 is not a multiple of five"),
        ("000000", "6 is not a multiple of five"),
        ("#####", "positions 0 to 4 stand for more than 32 bits"),
        ("00000%nSc1", "positions 5 to 9 stand for more than 32 bits"),  # 2**32
        ("0000 ", "position 4 of 5"),
        ("00~00", "position 2 of 5"),
        ("0000\x7f", "position 4 of 5"),
        ('"0000', "position 0 of 5"),
        ("0000\u20ac", "position 4 of 5"),
        ("0000\0", "position 4 of 5"),
        (b"0000\xff", "position 4 of 5"),
        (b"\x800000", "position 0 of 5"),
    ],
)
def test_z85_that_is_none(text: str | bytes, error: str) -> None:
    with pytest.raises(ValueError, match=error):
        z85_decode(text)


@given(st.binary(max_size=80).map(lambda data: data[: len(data) // 4 * 4]))
def test_z85_there_and_back_as_pyzmq(data: bytes) -> None:
    text = z85_encode(data)
    assert z85_decode(text) == data
    if data:
        assert text.encode() == zmq.utils.z85.encode(data)


@given(st.text(max_size=10) | st.binary(max_size=10))
def test_any_text_decodes_or_is_an_error(text: str | bytes) -> None:
    try:
        data = z85_decode(text)
    except ValueError:
        return
    assert z85_encode(data) == (text if isinstance(text, str) else text.decode())


# ---- keys


def test_public_keys() -> None:
    assert curve_public(C_SECRET) == C
    assert curve_public(z85_encode(S_SECRET)) == S
    # libzmq's test_sodium
    assert (
        z85_encode(curve_public("JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6"))
        == "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"
    )


@settings(max_examples=50, deadline=None)
@given(keys32.filter(any))
def test_public_keys_as_libsodium(secret: bytes) -> None:
    assert curve_public(secret) == bindings.crypto_scalarmult_base(secret)


def test_keygen() -> None:
    one, other = keygen(), keygen()
    assert one != other
    assert one.secret != other.secret
    for pair in (one, other):
        assert bindings.crypto_scalarmult_base(pair.secret) == pair.public == curve_public(pair.secret)
        assert zmq.curve_public(pair.secret_z85.encode()) == pair.public_z85.encode()
        assert z85_decode(pair.secret_z85) == pair.secret


def test_secrets_are_not_shown() -> None:
    for shown in (repr(KeyPair(C, C_SECRET)), str(KeyPair(C, C_SECRET)), repr(Certificate(C, C_SECRET))):
        for form in (repr(C_SECRET)[2:-1], C_SECRET.hex(), z85_encode(C_SECRET)):
            assert form not in shown
    assert C_Z85 in repr(KeyPair(C, C_SECRET))


@pytest.mark.parametrize(("public", "secret", "name"), [(C[1:], C_SECRET, "public"), (C, C_SECRET + b"x", "secret")])
def test_pairs_of_the_wrong_size(public: bytes, secret: bytes, name: str) -> None:
    with pytest.raises(ValueError, match=f"the {name} key of a pair is 32 bytes"):
        KeyPair(public, secret)


def test_pairs_that_are_none() -> None:
    """They would show the secret key where the public one is to be."""
    for public, secret, text in ((C_SECRET, C, "wrong way round"), (S, C_SECRET, "not the one that belongs")):
        with pytest.raises(ValueError, match=text) as raised:
            KeyPair(public, secret)
        assert z85_encode(C_SECRET)[:8] not in str(raised.value)
    with pytest.raises(TypeError, match="the public key of a pair is bytes, not str"):
        KeyPair(C_Z85, C_SECRET)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [C, C_Z85, C_Z85.encode()])
def test_as_key(value: bytes | str) -> None:
    assert as_key(value) == C


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (b"", "this has 0 bytes"),
        (b"k" * 31, "this has 31 bytes"),
        ("k" * 32, "this has 32 characters"),
        (C_Z85 + "\0", "this has 41 characters"),
        (C_Z85[:-1] + " ", "position 39 of 40"),
        ("#" * 40, "positions 0 to 4"),
        (bytes(32), "zeros only"),
        ("0" * 40, "zeros only"),
    ],
)
def test_what_is_no_key(value: bytes | str, error: str) -> None:
    with pytest.raises(ValueError, match=error) as raised:
        as_key(value)
    assert "kkk" not in str(raised.value)
    assert C_Z85[:8] not in str(raised.value)


@pytest.mark.parametrize("value", [None, 5, bytearray(32)])
def test_what_is_not_even_text(value: object) -> None:
    with pytest.raises(TypeError, match=f"not {type(value).__name__}"):
        as_key(value)  # type: ignore[arg-type]


# ---- certificates


def test_there_and_back(tmp_path: Path) -> None:
    about = {"name": "Ann O'Nym", "said": 'a "word" = # yes', "e-mail": "a@b.example", "empty": ""}
    keys = keygen()
    public_path, secret_path = write_certificates(tmp_path, "ann", keys, about)
    assert (public_path.name, secret_path.name) == ("ann.key", "ann.key_secret")
    assert read_certificate(public_path) == Certificate(keys.public, None, about)
    assert read_certificate(str(secret_path)) == Certificate(keys.public, keys.secret, about)
    assert keys.secret_z85 not in public_path.read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ann.key", "ann.key_secret"]


def test_pyzmq_reads_ours(tmp_path: Path) -> None:
    keys = keygen()
    public_path, secret_path = write_certificates(tmp_path, "ann", keys, {"name": "Ann"})
    assert zmq.auth.load_certificate(public_path) == (keys.public_z85.encode(), None)
    assert zmq.auth.load_certificate(secret_path) == (keys.public_z85.encode(), keys.secret_z85.encode())
    assert zmq.auth.load_certificates(tmp_path) == {keys.public_z85.encode(): True}


def test_we_read_those_of_pyzmq(tmp_path: Path) -> None:
    about = {"name": "it's # Ann", "full name": "Ann = O. Nym"}
    public_path, secret_path = zmq.auth.create_certificates(tmp_path, "ann", about)
    public, secret = zmq.auth.load_certificate(secret_path)
    assert secret is not None
    found = read_certificate(secret_path)
    assert found == Certificate(as_key(public), as_key(secret), {"name": "it's", "full name": "Ann = O. Nym"})
    assert read_certificate(public_path) == Certificate(as_key(public))


CZMQ = f"""\
#   ****  Generated on 2026-01-01 00:00:00 by CZMQ  ****
#   ZeroMQ CURVE **Secret** Certificate
#   DO NOT PROVIDE THIS FILE TO OTHER USERS nor change its permissions.

metadata
    email = "ph@imatix.com"
    name = 'Pieter "H."'  # who else
    organization = iMatix
curve
    public-key = "{C_Z85}"
    secret-key = "{z85_encode(C_SECRET)}"
"""


def test_we_read_those_of_czmq(tmp_path: Path) -> None:
    path = tmp_path / "cert"
    for text in (CZMQ, CZMQ.replace("\n", "\r\n"), CZMQ.replace("    ", "\t"), "top = 1\n    stray = 2\n" + CZMQ):
        path.write_bytes(text.encode())
        path.chmod(0o600)
        about = {"email": "ph@imatix.com", "name": 'Pieter "H."', "organization": "iMatix"}
        assert read_certificate(path) == Certificate(C, C_SECRET, about)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (b"", "it has no public-key in a section curve"),
        (b"metadata\n    public-key = x\n", "it has no public-key in a section curve"),
        (b"curve\n= 5\n", "line 2 is neither"),
        (b"curve\n    public-key\n", "its public-key has 0 characters, not 40"),
        (b"curve\n    public-key = short\n", "its public-key has 5 characters, not 40"),
        (
            b'curve\n    public-key = "' + b"#" * 40 + b'"\n',
            "its public-key is wrong: the characters at positions 0 to 4",
        ),
        (CZMQ.replace(z85_encode(C_SECRET), "hunter2").encode(), "its secret-key has 7 characters, not 40"),
        (
            CZMQ.replace(z85_encode(C_SECRET), "hunter2" + " " * 33).encode(),
            "its secret-key is wrong: .*position 7 of 40",
        ),
        (CZMQ.replace(C_Z85, S_Z85).encode(), "its public key is not the one that belongs to its secret key"),
        (b"\xff\xfe", "it is not text in UTF-8"),
        (b"#" * 65537, "is larger than 65536 bytes"),
    ],
)
def test_what_is_no_certificate(tmp_path: Path, text: bytes, error: str) -> None:
    path = tmp_path / "bad.key"
    path.write_bytes(text)
    with pytest.raises(ValueError, match=error) as raised:
        read_certificate(path)
    assert "bad.key" in str(raised.value)
    assert "hunter2" not in str(raised.value)
    assert z85_encode(C_SECRET)[:8] not in str(raised.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_certificate(tmp_path / "none.key")
    with pytest.raises(FileNotFoundError):
        write_certificates(tmp_path / "none", "ann", keygen())


@pytest.mark.parametrize("there", ["ann.key", "ann.key_secret"])
def test_nothing_is_overwritten_unless_asked(tmp_path: Path, there: str) -> None:
    (tmp_path / there).write_text("precious")
    with pytest.raises(FileExistsError, match=there):
        write_certificates(tmp_path, "ann", keygen())
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(there, "precious")]
    keys = keygen()
    _, secret_path = write_certificates(tmp_path, "ann", keys, overwrite=True)
    assert read_certificate(secret_path).secret == keys.secret
    assert len(list(tmp_path.iterdir())) == 2


posix = pytest.mark.skipif(os.name != "posix", reason="permissions as numbers are of POSIX systems")


@posix
def test_secrets_are_for_their_owner_only(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        _, secret_path = write_certificates(tmp_path, "ann", keygen())
        assert stat.S_IMODE(secret_path.stat().st_mode) == 0o600
        secret_path.chmod(0o644)
        _, secret_path = write_certificates(tmp_path, "ann", keygen(), overwrite=True)
        assert stat.S_IMODE(secret_path.stat().st_mode) == 0o600
    finally:
        os.umask(old)


@posix
def test_secrets_that_others_can_read_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    keys = keygen()
    public_path, secret_path = write_certificates(tmp_path, "ann", keys)
    with caplog.at_level(logging.WARNING):
        read_certificate(public_path)
        read_certificate(secret_path)
        assert not caplog.records
        secret_path.chmod(0o640)
        read_certificate(secret_path)
    (record,) = caplog.records
    assert "ann.key_secret" in record.getMessage()
    assert "0640, and should be 0600" in record.getMessage()
    assert keys.secret_z85 not in record.getMessage()


def test_nothing_is_left_of_a_pair_that_could_not_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = certificates._write

    def broken(path: Path, text: str, mode: int, overwrite: bool) -> None:
        if path.suffix == ".key":
            raise OSError("no space left on device")
        real(path, text, mode, overwrite)

    monkeypatch.setattr(certificates, "_write", broken)
    with pytest.raises(OSError, match="no space left"):
        write_certificates(tmp_path, "ann", keygen())
    assert not list(tmp_path.iterdir())
    keys = keygen()
    with pytest.raises(OSError, match="no space left"):
        write_certificates(tmp_path, "ann", keys, overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["ann.key_secret"]  # what was there is gone, so it stays


def test_a_file_that_could_not_be_written_is_not_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def replace(source: object, target: object) -> None:
        raise OSError("no")

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(OSError, match="no"):
        write_certificates(tmp_path, "ann", keygen(), overwrite=True)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/a", "a\0b"])
def test_names_that_are_no_file_names(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="becomes a file name"):
        write_certificates(tmp_path, name, keygen())


@pytest.mark.parametrize(
    ("about", "error"),
    [
        ({"": "x"}, "a name in a certificate's metadata"),
        ({"full name": "x"}, "a name in a certificate's metadata"),
        ({"a=b": "x"}, "a name in a certificate's metadata"),
        ({"public-key": "x"}, "a name in a certificate's metadata"),
        ({"secret-key-2": "x"}, "a name in a certificate's metadata"),
        ({"a": "\"'"}, "both kinds of quotes"),
        ({"a": "x\ncurve"}, "not printable"),
    ],
)
def test_metadata_that_cannot_be_written(tmp_path: Path, about: dict[str, str], error: str) -> None:
    with pytest.raises(ValueError, match=error):
        write_certificates(tmp_path, "ann", keygen(), about)
    assert not list(tmp_path.iterdir())


def test_metadata_that_is_no_text(tmp_path: Path) -> None:
    for about in ({"age": 7}, {7: "age"}):
        with pytest.raises(TypeError, match="maps str to str, not"):
            write_certificates(tmp_path, "ann", keygen(), about)  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


values = st.text(st.characters(exclude_categories=["C", "Z"]), max_size=20).filter(
    lambda value: value.isprintable() and not ('"' in value and "'" in value)
)


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(st.from_regex(r"\A[A-Za-z0-9@.&+/$_-]{1,8}\Z"), values, max_size=4))
def test_any_metadata_there_and_back(tmp_path_factory: pytest.TempPathFactory, about: dict[str, str]) -> None:
    path, _ = write_certificates(tmp_path_factory.mktemp("c"), "ann", KeyPair(C, C_SECRET), about)
    assert read_certificate(path).metadata == about


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.sampled_from(["curve", "\n", "    ", "=", '"', "'", "#", "public-key", C_Z85, "x", " "])).map("".join)
)
def test_any_file_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "any.key"
    path.write_text(text)
    try:
        found = read_certificate(path)
    except ValueError:
        return
    assert found.public == C


def test_keys_need_neither_trio_nor_the_extra() -> None:
    package = pathlib.Path(trizmq.__file__).parent
    for name in ("keys", "certificates", "auth"):
        for node in ast.walk(ast.parse((package / f"{name}.py").read_text())):
            if isinstance(node, ast.Import):
                assert not {"trio", "nacl"} & {alias.name.partition(".")[0] for alias in node.names}
            if isinstance(node, ast.ImportFrom) and not node.level:
                assert (node.module or "").partition(".")[0] not in ("trio", "nacl")


def test_all_of_it_is_in_auth() -> None:
    aliases = {"Authenticator", "Decision"}  # of types, which have no docstrings of their own
    assert all(getattr(auth, name).__doc__ for name in set(auth.__all__) - aliases)

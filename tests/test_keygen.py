"""``python -m trizmq keygen``: two files, one of which only its owner can read; never over others."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from trizmq import auth

ROOT = Path(__file__).parent.parent


def keygen(*arguments: str, directory: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "trizmq", "keygen", *arguments],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        cwd=directory,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )


def test_two_files(tmp_path: Path) -> None:
    done = keygen("--out", "ann", "--metadata", "role=admin", "--metadata", "mail=a@b.c", directory=tmp_path)
    assert done.returncode == 0, done.stderr
    public, secret = (auth.read_certificate(tmp_path / f"ann.{end}") for end in ("key", "key_secret"))
    assert public.metadata == secret.metadata == {"role": "admin", "mail": "a@b.c"}
    assert public.secret is None
    assert secret.secret is not None
    assert auth.curve_public(secret.secret) == public.public == secret.public
    assert auth.z85_encode(public.public) in done.stdout
    assert auth.z85_encode(secret.secret) not in done.stdout + done.stderr
    if os.name == "posix":
        assert (tmp_path / "ann.key_secret").stat().st_mode & 0o777 == 0o600


def test_the_directory_is_made(tmp_path: Path) -> None:
    done = keygen("--dir", "keys/clients", "--out", "ann", directory=tmp_path)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in (tmp_path / "keys/clients").iterdir()} == {"ann.key", "ann.key_secret"}


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    first = keygen("--dir", str(tmp_path), directory=tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert (first.returncode, set(before)) == (0, {"curve.key", "curve.key_secret"})
    again = keygen("--dir", str(tmp_path), directory=tmp_path)
    assert again.returncode == 1
    assert "curve.key exists already" in again.stderr
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        (["--dir", os.devnull], 1, "no keys were written"),
        (["--dir", "new", "--out", "a/b"], 1, "becomes a file name"),
        (["--out", "a/b"], 1, "becomes a file name"),
        (["--metadata", "role"], 2, "expected NAME=VALUE"),
        (["--metadata", "secret-key=x"], 1, "no keys were written"),
    ],
)
def test_what_cannot_be(arguments: list[str], status: int, text: str, tmp_path: Path) -> None:
    done = keygen(*arguments, directory=tmp_path)
    assert done.returncode == status
    assert text in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_misspelt_command() -> None:
    """Only what people may call is offered."""
    done = subprocess.run(
        [sys.executable, "-m", "trizmq", "keygem"], capture_output=True, text=True, timeout=30, check=False, cwd=ROOT
    )
    assert done.returncode == 2
    assert "keygem" in done.stderr
    assert "keygen" in done.stderr
    assert "demo-client" not in done.stderr

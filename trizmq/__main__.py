"""``python -m trizmq``: the command line."""

from __future__ import annotations

import argparse
import functools
import math
import os
import sys
from collections.abc import Sequence

from . import __version__, auth, demo

DEMO = (
    "A server and several clients, each in a process of its own, exchange numbered messages. Calls are cancelled at random "
    "instants, on both sides; at the end the books of both sides are compared. Exit status 0: they balance."
)
DEMO_CLIENT = "demo-client"
INTERRUPTED = 130  # what shells report of a program that Ctrl-C has ended


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line as a namespace; ``command`` is the function to call with it."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    if given[:1] == [DEMO_CLIENT]:
        return _demo_client().parse_args(given[1:])
    parser = argparse.ArgumentParser(
        prog="python -m trizmq", description="ZeroMQ for Trio, in pure Python: see it work, and make keys for it."
    )
    parser.add_argument("--version", action="version", version=f"trizmq {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    show = commands.add_parser(
        "demo",
        help="a server and clients in processes of their own, some of them cancelling at random",
        description=DEMO,
    )
    show.add_argument("--seconds", type=seconds, default=5.0, help="how long the clients work (default: %(default)g)")
    show.add_argument("--clients", type=clients, default=4, help="how many clients there are (default: %(default)s)")
    show.add_argument("--seed", type=int, help="when to cancel: an earlier run's seed (default: a new one)")
    show.add_argument(
        "--endpoint",
        type=endpoint,
        default="tcp://127.0.0.1:*",
        help="where the server's two sockets listen, with a wildcard port, or ipc://* (default: %(default)s)",
    )
    show.set_defaults(command=demo.run)

    keys = commands.add_parser(
        "keygen",
        help="a new pair of keys for CURVE, as two certificate files",
        description="Makes a pair of keys for CURVE and writes NAME.key, to be given to others, and NAME.key_secret, which "
        "only its owner can read. Existing files are never overwritten.",
    )
    keys.add_argument("--dir", default=".", metavar="DIRECTORY", help="where, made if need be (default: here)")
    keys.add_argument("--out", default="curve", metavar="NAME", help="the name of the files (default: %(default)s)")
    keys.add_argument(
        "--metadata",
        action="append",
        type=pair,
        default=[],
        metavar="NAME=VALUE",
        help="to be noted in both; repeatable",
    )
    keys.set_defaults(command=keygen)

    return parser.parse_args(given)


def _demo_client() -> argparse.ArgumentParser:
    """What the demo starts; not for people, so it is no command that is listed or suggested."""
    client = argparse.ArgumentParser(prog=f"python -m trizmq {DEMO_CLIENT}")
    client.add_argument("number", type=int)
    client.add_argument("--seconds", type=float, required=True)
    client.add_argument("--seed", type=int, required=True)
    client.add_argument("--requests", required=True)
    client.add_argument("--stream", required=True)
    client.set_defaults(command=demo.run_client)
    return client


def keygen(options: argparse.Namespace) -> int:
    """``keygen``: write two certificate files and tell their names, and the public key."""
    made = auth.keygen()
    write = functools.partial(auth.write_certificates, options.dir, options.out, made, dict(options.metadata))
    try:
        try:
            public, secret = write()
        except FileNotFoundError:
            os.makedirs(options.dir, exist_ok=True)
            public, secret = write()
    except (OSError, ValueError) as error:
        sys.stderr.write(f"no keys were written: {error}\n")
        return 1
    print(f"{public}: the public key, to be given to others: {made.public_z85}")
    print(f"{secret}: the secret key, to be kept")
    return 0


def pair(text: str) -> tuple[str, str]:
    """Read the value of ``--metadata``."""
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"expected NAME=VALUE, not {text}")
    return name, value


def seconds(text: str) -> float:
    """Read the value of ``--seconds``."""
    value = float(text)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"expected a number of seconds above 0, not {text}")
    return value


def clients(text: str) -> int:
    """Read the value of ``--clients``."""
    value = int(text)
    if not 1 <= value <= demo.MOST_CLIENTS:
        raise argparse.ArgumentTypeError(f"expected 1 to {demo.MOST_CLIENTS} clients, not {text}")
    return value


def endpoint(text: str) -> str:
    """Read the value of ``--endpoint``."""
    transport, separator, address = text.partition("://")
    if not separator or not address or transport not in ("tcp", "ipc"):
        raise argparse.ArgumentTypeError(
            f"{text} is no endpoint of tcp or ipc: give one like tcp://127.0.0.1:* or ipc://*"
        )
    if text != "ipc://*" and not (transport == "tcp" and address.endswith((":*", ":0"))):
        raise argparse.ArgumentTypeError(
            f"{text} cannot serve two sockets: let the system choose, as in tcp://127.0.0.1:* or ipc://*"
        )
    return text


def main() -> int:
    """Run a command; returns the exit status."""
    status = 0
    try:
        options = parse()
        status = options.command(options)
        sys.stdout.flush()
    except* KeyboardInterrupt:  # Trio's nurseries may have put it into a group
        status = INTERRUPTED
    except* BrokenPipeError:  # as in `python -m trizmq demo | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing more to flush at exit
        status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())

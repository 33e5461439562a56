"""Run the fuzzer: ``python -m fuzz [SECONDS] [libFuzzer's arguments]``; needs atheris, which has wheels for some Pythons.

The corpus that it finds is kept in ``.fuzz/corpus``, so that the next run goes on from there; what breaks the invariant is
left in ``.fuzz/findings``. Replay one with ``python -m fuzz 60 -runs=1 .fuzz/findings/crash-...``.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["trizmq.wire", "trizmq.errors"]):
    from fuzz.target import check, seeds

WORK = Path(__file__).parent.parent / ".fuzz"


def main() -> None:
    seconds, arguments = "600", sys.argv[1:]
    if arguments and arguments[0].isdecimal():
        seconds, *arguments = arguments
    corpus, findings = WORK / "corpus", WORK / "findings"
    for folder in corpus, findings:
        folder.mkdir(parents=True, exist_ok=True)
    for seed in seeds():
        corpus.joinpath(hashlib.sha1(seed).hexdigest()).write_bytes(seed)
    options = [f"-max_total_time={seconds}", f"-artifact_prefix={findings}/", "-max_len=1000", "-print_final_stats=1"]
    replayed = any(not argument.startswith("-") for argument in arguments)
    atheris.Setup([sys.argv[0], *options, *arguments, *([] if replayed else [str(corpus)])], check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()

"""Run mypy on a file and compare what it reports with the file's marks, in both directions.

A line marked ``# E: code`` has to be an error of that code, one marked ``# E:`` an error of any; no other line may be one.

Usage: ``python expect.py [mypy options] FILE``
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

_MARK = re.compile(r"# E:\s*(?P<code>[\w-]*)")
_REPORT = re.compile(r"^(?P<file>.+?):(?P<line>\d+): error: .*\[(?P<code>[\w-]+)\]$")


def expected(source: str) -> dict[int, str]:
    """The error code that each marked line asks for, empty for any."""
    marks = ((number, _MARK.search(line)) for number, line in enumerate(source.splitlines(), start=1))
    return {number: mark["code"] for number, mark in marks if mark}


def reported(output: str, name: str) -> dict[int, set[str]]:
    """The error codes that mypy reports for each line of the file of that name."""
    found: dict[int, set[str]] = {}
    for match in filter(None, map(_REPORT.match, output.splitlines())):
        if Path(match["file"]).name == name:
            found.setdefault(int(match["line"]), set()).add(match["code"])
    return found


def main(arguments: list[str]) -> int:
    *options, file = arguments
    wanted = expected(Path(file).read_text(encoding="utf-8"))
    mypy = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-pretty", "--show-error-codes", *options, file],
        capture_output=True,
        text=True,
        check=False,
    )
    found = reported(mypy.stdout, Path(file).name)
    complaints = []
    for line in sorted(wanted.keys() | found.keys()):
        codes, code = sorted(found.get(line, set())), wanted.get(line)
        if code is None:
            complaints.append(f"{file}:{line}: mypy reports {codes}, but the line is not marked")
        elif not codes or (code and code not in codes):
            complaints.append(f"{file}:{line}: has to be an error {code}, but mypy reports {codes or 'nothing'}")
    if not wanted:
        complaints.append(f"{file}: no line is marked, so that nothing is tested")
    if complaints:
        print(*complaints, mypy.stdout, mypy.stderr, sep="\n")
        return 1
    print(f"{file}: mypy reports an error in each of the {len(wanted)} marked lines, and in no other")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

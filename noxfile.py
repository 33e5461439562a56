"""What one can do with a checkout of trizmq: ``nox -l`` lists it, ``nox -s NAME`` does it, ``nox`` does what a change needs.

Each session has a virtual environment of its own, kept under ``.nox``; arguments after ``--`` go to the program that the
session runs, as in ``nox -s tests-3.12 -- tests/wire -k greeting``.
"""

from __future__ import annotations

import os
import shutil
import subprocess

import nox

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "venv"
nox.options.reuse_venv = "yes"
nox.options.error_on_missing_interpreters = False  # "every Python found": what is missing is skipped, and said so
nox.options.sessions = ["lint", "types", "tests", "docs"]

PYTHONS = ["3.11", "3.12", "3.13", "3.14"]
PYPROJECT = nox.project.load_toml("pyproject.toml")

# The last mypy whose plugin interface trio-typing's plugin survives: 1.11 and later crash in it (measured).
TRIO_TYPING = ["trio-typing==0.10.0", "mypy==1.10.1"]


def group(name: str) -> list[str]:
    """The requirements of a PEP 735 group; read here, because only pip 25.1 and later can."""
    return list(nox.project.dependency_groups(PYPROJECT, name))


def show_pyenv() -> None:
    """Let nox find every Python that pyenv has: its ``python3.12`` on PATH works for the selected versions only."""
    if shutil.which("pyenv") and "PYENV_VERSION" not in os.environ:
        selected, installed = (
            subprocess.run(["pyenv", *query], capture_output=True, text=True, check=False).stdout.split()
            for query in (["version-name"], ["versions", "--bare"])
        )
        found = [version for version in installed if version.startswith(tuple(PYTHONS))]
        os.environ["PYENV_VERSION"] = ":".join([*selected, *found])


show_pyenv()


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and formatting with ruff (`nox -s lint -- --fix` repairs both)."""
    session.install(*group("lint"))
    if "--fix" in session.posargs:
        session.run("ruff", "check", "--fix", ".")
        session.run("ruff", "format", ".")
    else:
        session.run("ruff", "check", *session.posargs, ".")
        session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Check types with mypy --strict, and that misuse of the public API is a type error."""
    session.install("-e", ".[test]", *group("types"))
    session.run("mypy", *session.posargs)
    session.run("python", "tests/typing/expect.py", "tests/typing/consumer_errors.py")


@nox.session
def typing_compat(session: nox.Session) -> None:
    """Check that users' programs type-check even beside trio-typing and its old stubs."""
    # Installed as a user has it, not as a checkout: mypy then reads trizmq as a library, through py.typed.
    session.install("--force-reinstall", "--no-deps", ".")
    session.install("trio", "outcome", *TRIO_TYPING)
    session.chdir("tests/typing")
    session.run("mypy", "--config-file", "compat.ini", "consumer.py")
    session.run("python", "expect.py", "--config-file", "compat.ini", "consumer_errors.py")


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run the tests on every Python found."""
    session.install("-e", ".[test]")
    session.run("python", "-m", "pytest", *session.posargs)


def install_compiled(session: nox.Session, what: str) -> None:
    """Build the optional compiled wheel and install it, in place of any other trizmq."""
    session.install(what)  # what it needs
    session.install("--force-reinstall", "--no-deps", ".", env={"TRIZMQ_COMPILE": "1"})
    with session.chdir(session.create_tmp()):  # where no source is in the way
        session.run("python", "-c", "import trizmq; assert trizmq.has('compiled'), trizmq.__path__")


@nox.session
def tests_compiled(session: nox.Session) -> None:
    """Build the optional compiled wheel and run the tests against it."""
    install_compiled(session, ".[test]")
    folder = os.path.join(session.create_tmp(), "without-source")
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(
        ".", folder, ignore=shutil.ignore_patterns(".?*_cache", ".git", ".nox", ".venv", "trizmq", "*.egg-info")
    )
    with session.chdir(folder):
        session.run("python", "-m", "pytest", *session.posargs)


@nox.session
def interop(session: nox.Session) -> None:
    """Run only the tests against real libzmq peers (pyzmq in processes of its own), and Jupyter."""
    session.install("-e", ".[test]", *group("interop"))
    session.run("python", "-m", "pytest", "tests/interop", *session.posargs)


@nox.session
def kerberos(session: nox.Session) -> None:
    """Run the tests of GSSAPI against a KDC of their own and the system's libzmq (Debian: see CONTRIBUTING.md)."""
    session.install("-e", ".[test,gssapi]")
    session.run("python", "-m", "pytest", "-rs", "tests/interop/test_gssapi.py", *session.posargs)


@nox.session
def coverage(session: nox.Session) -> None:
    """Measure coverage by branch; wire/ and patterns/ must be complete."""
    session.install("-e", ".[test]")
    session.run("coverage", "erase")
    session.run("coverage", "run", "-m", "pytest", *session.posargs)
    session.run("coverage", "combine", "--quiet")
    session.run("coverage", "report")
    session.run("coverage", "report", "--include=trizmq/wire/*,trizmq/patterns/*", "--fail-under=100", "--precision=2")


@nox.session
def docs(session: nox.Session) -> None:
    """Build the manual into docs/_build/html; any warning is an error."""
    session.install("-e", ".", *group("docs"))
    session.run("sphinx-build", "-W", "--keep-going", "-b", "html", *session.posargs, "docs", "docs/_build/html")


@nox.session
def bench(session: nox.Session) -> None:
    """Run the benchmarks beside pyzmq, pyomq and bare Trio (`nox -s bench -- --quick`: under a minute)."""
    session.install("-e", ".", *group("bench"))
    session.run("python", "-m", "benchmarks", *session.posargs)


@nox.session
def bench_compiled(session: nox.Session) -> None:
    """As `bench`, of the optional compiled wheel (`--out A.jsonl` there and here, then `python -m benchmarks compare`)."""
    session.install(*group("bench"))
    install_compiled(session, ".")
    session.run("python", "-m", "benchmarks", *session.posargs)


@nox.session
def bench_compare(session: nox.Session) -> None:
    """Measure another revision and this tree in turn (`nox -s bench_compare -- BASE`; `--only NAME`, `--rounds N`)."""
    session.install("-e", ".", *group("bench"))
    session.run("python", "-m", "benchmarks", "revisions", *session.posargs)


@nox.session
def bench_plots(session: nox.Session) -> None:
    """Draw the plots of the manual (`nox -s bench_plots -- benchmarks/results/FILE.jsonl`)."""
    session.install("-e", ".", *group("bench"))
    session.run("python", "-m", "benchmarks", "plot", *session.posargs)


@nox.session(python="3.11")  # atheris has wheels for few versions
def fuzz(session: nox.Session) -> None:
    """Fuzz the wire, guided by coverage, for ten minutes (`nox -s fuzz -- 60`: for one)."""
    session.install(".", *group("fuzz"))
    session.run("python", "-m", "fuzz", *session.posargs)


@nox.session
def soak(session: nox.Session) -> None:
    """Churn for ten minutes with an eye on leaks, then cancel 100,000 calls (`nox -s soak -- 5`: churn for five)."""
    session.install("-e", ".[test]")
    session.run("python", "-m", "tests.soak", *session.posargs)
    environment = {"TRIZMQ_SOAK": "2.4", "TRIZMQ_MUTATIONS": "50000"}
    session.run(
        "python",
        "-m",
        "pytest",
        "tests/interop/test_cancel_storm.py",
        "tests/hostile/test_mutations.py",
        env=environment,
    )

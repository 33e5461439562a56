"""Coverage-guided fuzzing of the wire, for ``nox -s fuzz``. Not part of the package."""

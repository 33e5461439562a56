"""Speed and memory of trizmq beside its peers: ``python -m benchmarks``. Not part of the wheel; see README.md."""

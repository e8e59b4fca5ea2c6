"""How fast and how accurate polarsprof is, beside its peers: `python -m benchmarks`, see docs/performance.md."""

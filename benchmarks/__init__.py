"""Benchmarks of the speed and accuracy of polarsprof and its peers.

`python -m benchmarks` runs them; docs/performance.md explains the results.
"""

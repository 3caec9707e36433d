"""Benchmarks: ours and peers side by side in one run, ratios instead of absolute times (docs/benchmarks.md)."""

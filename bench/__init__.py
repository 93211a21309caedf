"""Benchmarks: `run` measures requests, `scale` growth, `soak` endurance. Results: docs/performance.md."""

"""What is measured rather than believed: one module a benchmark, each with its baseline in the same run."""

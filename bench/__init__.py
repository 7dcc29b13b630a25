"""How fast Sluice is, in ratios to competitors measured in the same run (docs/benchmarks.md)."""

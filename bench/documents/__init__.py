"""How well documents are read, on specimens that no parser was written for: see docs/benchmarks.md."""

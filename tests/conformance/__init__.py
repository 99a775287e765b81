"""Conformance: our own clause-by-clause tests, and the runners of outside suites that are kept elsewhere."""

"""Benchmarks: ``python -m tests.benchmarks NAME``.

Every figure is a ratio inside one run: the sides take turns, medians are
compared, and so are the results (rows, pixels). They make their own data and
are never run by the tests.
"""

"""Synthetic imagery and conformance checks that third parties can run."""

"""Chips and the files they become."""

"""Providers that show another provider in another way."""

"""The chip index: build, query, merge, save."""

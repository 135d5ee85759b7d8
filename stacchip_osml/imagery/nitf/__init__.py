"""NITF files as levels and blocks: what their headers say."""

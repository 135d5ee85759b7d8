"""TIFF files as levels and blocks: what their directories say."""

"""JPEG 2000: codestreams, the boxes around them, and the parts of a tile that a window needs."""

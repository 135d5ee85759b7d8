"""From one grid of pixels to another."""

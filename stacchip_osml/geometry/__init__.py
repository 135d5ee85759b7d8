"""Where pixels are on the ground: footprints and sensor geometry."""

"""PNG, JPEG and contact sheets."""

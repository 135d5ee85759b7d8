"""Images at several resolutions: found, made, stored."""

"""Image readers behind one provider protocol."""

"""What an image says of how it is to be shown, and the chains that make it a picture."""

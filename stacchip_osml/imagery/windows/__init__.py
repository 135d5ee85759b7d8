"""Windows of any image, with what is valid of them."""

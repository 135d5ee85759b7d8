"""Image providers: the protocol, what any of them says of itself, and its blocks put together."""

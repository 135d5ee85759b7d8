"""Processing chains: declarative steps, their ids and the registry."""

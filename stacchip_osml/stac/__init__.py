"""STAC items in, chips out as STAC."""

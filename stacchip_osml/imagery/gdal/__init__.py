"""Reading through GDAL: what the block reader does not serve."""

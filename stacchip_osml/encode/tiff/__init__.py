"""TIFF, GeoTIFF and COG."""

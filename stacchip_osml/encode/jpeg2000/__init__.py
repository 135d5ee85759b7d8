"""JPEG 2000 and high throughput JPEG 2000."""

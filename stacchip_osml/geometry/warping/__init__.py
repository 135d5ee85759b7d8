"""Images brought to another grid: map tiles, orthoimages, the pixels of another image."""

"""Block reading: from where blocks are in a file to pixels, without opening it."""

"""NITF 2.1 and NSIF 1.0 files: what they hold as records, their pixels, their headers."""

"""The unpacker that a self-extracting pack carries: one file for a bare Python 3.9."""

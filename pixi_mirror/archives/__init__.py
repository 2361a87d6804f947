"""Read and write tar, zip and zstd as streams, in bounded memory, and files that unpack themselves."""

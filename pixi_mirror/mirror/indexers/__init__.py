"""Have a program write `repodata.json.zst` and shards, and take what it wrote only if it is right."""

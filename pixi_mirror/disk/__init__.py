"""Touch files safely: atomic writes, hashes, links, locks and file identities."""

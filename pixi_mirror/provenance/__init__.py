"""Who has built the packages of a mirror: their attestations, verified without a network."""

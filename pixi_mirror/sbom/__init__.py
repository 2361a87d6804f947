"""A software bill of materials (SBOM) of a mirror: its packages as components, in the formats CycloneDX and SPDX."""

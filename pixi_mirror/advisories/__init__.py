"""Known vulnerabilities: databases in the format OSV, carried in a mirror and matched against what it holds."""

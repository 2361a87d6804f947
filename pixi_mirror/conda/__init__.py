"""The formats and rules of conda: names, versions, match specs, records, repodata and its sidecars."""

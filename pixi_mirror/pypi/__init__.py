"""The formats and rules of PyPI: names, requirements, metadata, the simple API, wheels, sdists, build requirements."""

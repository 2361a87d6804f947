"""The formats and rules of PyPI: names, metadata, index pages, wheels, sdists and build requirements."""

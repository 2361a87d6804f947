"""Mirror, carry and serve exactly what a pixi.lock pins."""

__version__ = "0.1.0"

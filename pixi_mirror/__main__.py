"""`python -m pixi_mirror` is `pixi-mirror`."""

from pixi_mirror.cli import main

main()

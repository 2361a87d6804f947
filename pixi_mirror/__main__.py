"""`python -m pixi_mirror` is `pixi-mirror`."""

from pixi_mirror.commands.program import main

main()

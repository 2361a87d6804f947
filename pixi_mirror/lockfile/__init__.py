"""Read `pixi.lock` of every format version, and select from it what a request wants."""

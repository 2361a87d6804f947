"""Read `pixi.lock` of every format version, and choose from it what is asked for."""

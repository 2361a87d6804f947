"""Ask the real pixi about a workspace, and compare what it lists with the lock."""

"""Run the real pixi on a workspace, and compare what it lists with the lock."""

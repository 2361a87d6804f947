"""Rules that what a mirror holds must keep: those of the program pixi-policy, and those that it has no words for."""

"""alphalab: embed autonomous research."""

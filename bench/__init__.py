"""Measuring against the engine's own speed: `python -m bench`."""

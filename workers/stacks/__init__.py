"""Reading power.toml and compose files."""

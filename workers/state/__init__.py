"""What a worker remembers between calls."""

"""What workers report, and what follows from it."""

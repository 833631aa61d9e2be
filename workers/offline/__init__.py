"""What a worker does while the database is away, and how that is recorded afterwards."""

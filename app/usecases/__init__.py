"""What people, workers and the clock do: one transaction each, with no HTTP and no engine."""

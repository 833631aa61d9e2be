"""What a worker does about one stack or service: inspect it, start it, stop it, read its logs."""

"""What runs of scenarios and requests for intents share in a worker: the loop, the monitor, retries."""

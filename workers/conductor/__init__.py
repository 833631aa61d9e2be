"""Conducts runs of scenarios: one thread for each run, beside everything else that a worker does."""

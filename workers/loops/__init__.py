"""Threads and schedulers that run for as long as their process."""

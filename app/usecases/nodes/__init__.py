"""Nodes, and the stacks that they claim."""

"""The hands: the only code that may reach Docker."""

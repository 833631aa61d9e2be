"""The life of a window: open, extend, close, expire, settle."""

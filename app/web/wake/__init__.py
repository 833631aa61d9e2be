"""The waiting page, for proxies that ask before they let a request through."""

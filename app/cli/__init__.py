"""The `power` command: a client of the REST API, plus the standalone and its doctor."""

"""Archives of the audit trail, and backups of the database."""

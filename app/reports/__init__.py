"""Renders the report of a run as Markdown, JSON, HTML and JUnit XML: pure functions of the report.

The report comes from a worker, and its texts from containers and servers. So every text is made harmless
here, with all its parts.
"""

"""The documentation site: what mkdocs asks of us while it builds."""

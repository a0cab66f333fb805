"""Other interpreters: what runs there, and how this one speaks to it (docs/environments.md)."""

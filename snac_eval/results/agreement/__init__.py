"""How far each metric agrees with people: ``snac-eval agreement``."""

"""Names to cards to objects: what there is to run, and what it lacks here."""

"""Results that others may have: runs without their audio, exported, and checked when they come."""

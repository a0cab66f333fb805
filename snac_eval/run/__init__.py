"""What a run does: plan it, loop over its clips, score them, store the outcome."""

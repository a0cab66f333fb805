"""Reports are made from what the store holds, and from nothing else."""

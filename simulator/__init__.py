"""Companies whose truth is known: used by the demo and by tests, by nobody else."""

"""How decisions leave the house."""

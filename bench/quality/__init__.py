"""How good it is: engines on held-out fields, the bundled checkpoints, the report where the truth is known."""

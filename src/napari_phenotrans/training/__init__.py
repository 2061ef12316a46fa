"""Training an engine into a run folder."""

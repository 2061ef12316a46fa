"""Images as layers, and ways to compare them in one viewer."""

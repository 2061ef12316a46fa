"""What differs between conditions, and what of it the engine changes."""

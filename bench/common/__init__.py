"""What comparisons share: two sides timed in turns, the machine's limits, a napari of its own, tables in documents."""

"""Checkpoints: files with an engine and its card; whether one fits an image; other programs' formats."""

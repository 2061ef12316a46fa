"""Checkpoints: one file with an engine and its card; whether one fits an image."""

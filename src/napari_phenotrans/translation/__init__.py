"""Translating images with a checkpoint."""

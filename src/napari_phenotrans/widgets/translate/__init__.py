"""The Translate dock."""

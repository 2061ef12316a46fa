"""What is fast, measured against named references in one run: ``python -m bench``."""

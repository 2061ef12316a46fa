"""The runs in the Train dock: watched, compared, looked at."""

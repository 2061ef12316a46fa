"""Scores of translations, beside their floors."""

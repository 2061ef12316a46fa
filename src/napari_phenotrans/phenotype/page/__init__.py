"""The report as one HTML page and tables."""

"""Objects found and measured, before and after translation."""

"""Widgets that know no viewer: docks, forms, choosers, the background worker."""

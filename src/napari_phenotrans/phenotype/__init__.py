"""The phenotype report: what differs between two conditions, and what of it an engine's translations show."""

"""Packages of the BioImage Model Zoo: writing one for a direction of a checkpoint, and reading them."""

"""The command line, ``phenotrans``."""

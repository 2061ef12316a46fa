"""A data set: folders of fields of view; checking one, collecting one, inventing one."""

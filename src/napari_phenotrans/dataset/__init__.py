"""Data sets, folders of fields of view: opening, splitting, checking, collecting and inventing one."""

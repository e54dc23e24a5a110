"""Folders of generated packages: staged, locked, compared."""

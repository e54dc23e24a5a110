"""Folders of generated packages: written whole, recorded in a lock, compared."""

"""Every name and type of a package, settled."""

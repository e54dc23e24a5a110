"""What generated models are made of: base classes, JSON types, constraints."""

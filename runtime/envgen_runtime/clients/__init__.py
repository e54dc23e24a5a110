"""The clients: what generated ones subclass, sync and async."""

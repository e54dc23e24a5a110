"""A ``gymnasium.Env`` for the environments whose contract a space can say.

``reading`` turns a contract and the user's hints into fields (``fields``), which are data: it needs
neither Gymnasium nor numpy, so the generator reads contracts the same way. ``spaces`` makes spaces
of fields, ``mapping`` takes values of the contract to elements of a space and back, and ``env`` is
the environment.
"""

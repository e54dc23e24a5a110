"""What trainers show models of packages: programs for the trainers' own environments of Python.

Each reads a ``Job`` from a file, as JSON, and prints ``Shown`` for each way of showing tools. They
import the trainer, the runtime and the packages, and nothing else of this project.
"""

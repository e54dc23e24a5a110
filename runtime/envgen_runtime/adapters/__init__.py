"""The generated client in trainers: a module for each, which imports its trainer when it is used.

``episode`` is what they share: one episode, played by a model's calls or by actions, that keeps the
score and never takes a lost episode for one of reward 0.
"""

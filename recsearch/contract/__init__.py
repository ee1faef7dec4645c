"""What a builder returns, what a model is fed with and trained on, and the checks of both.

Kinds of inputs and examples, `Recommender` and checks belong here. Layers, losses of one model
family, epochs and the training loop do not.
"""

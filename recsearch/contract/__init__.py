"""What a builder returns, the inputs and the examples of a model, and the checks of both.

Kinds of inputs and examples, `Recommender` and checks belong here. Layers, losses of one model
family, epochs and the training loop do not.
"""

"""Scores of (user, item) pairs and of the complete catalogue by a Keras model; no metrics."""

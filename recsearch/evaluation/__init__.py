"""How any scorer is measured on held-out data, in numpy; metrics and Keras are elsewhere."""

"""Training one model: the epoch loop, callbacks and checkpoints; no scoring and no metrics."""

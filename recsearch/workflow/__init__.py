"""The flow of a run and of `check` and `baselines`, built from the other packages; no algorithm."""

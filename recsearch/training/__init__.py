"""Fitting one model and measuring it: the epoch loop, checkpoints, scoring, evaluation."""

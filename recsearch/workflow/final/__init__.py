"""The stages after a search: baselines, retraining, test, export; nothing of the search itself."""

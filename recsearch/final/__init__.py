"""The end stages of a run: tune the baselines, retrain the winner, test once, export, verify."""

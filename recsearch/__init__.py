"""recsearch finds the best recommender model for a table of interactions, and exports it."""

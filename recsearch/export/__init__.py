"""The finished model as files: a SavedModel that takes raw ids, proof that it works, a card."""

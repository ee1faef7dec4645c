"""The exported SavedModel: writing, verifying, asking and describing it; no training, no search."""

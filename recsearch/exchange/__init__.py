"""Runs in the formats of other tools (TensorBoard, Optuna, MLflow); no own formats."""

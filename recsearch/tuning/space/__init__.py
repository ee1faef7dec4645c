"""Search spaces: builders of models, their hyperparameters, and configurations of them.

Which configuration is tried next is decided in `tuning.drivers`; models are trained in `training`.
"""

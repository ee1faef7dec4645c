"""Engines run trials: in this process, in worker processes of this machine, or on a Ray cluster.

Here are processes, their limits and their deaths. What is tried is decided in `tuning.drivers`; how
a model is trained is in `training`.
"""

"""Engines run assignments: in this process, or in worker processes of this machine."""

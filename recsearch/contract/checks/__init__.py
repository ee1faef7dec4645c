"""Checks of what a builder returns, derived from the registries of inputs and examples.

A check that concerns one kind only is a method of the kind, not a function here.
"""

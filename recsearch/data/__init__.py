"""Data: files and tables in memory are read, checked, split, encoded and stored as arrays.

Settings, TensorFlow and knowledge about models do not belong here. Batches for training are made in
`pipeline`.
"""

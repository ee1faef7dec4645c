"""The operating system: files, locks, cores, memory, TensorFlow's import; nothing about runs."""

"""Starting the worker processes, watching them, and ending them; imports nothing heavy."""

"""The files of models: in a folder, or from the hub."""

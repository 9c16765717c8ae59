"""Folders of images, and which files belong together."""

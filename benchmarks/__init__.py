"""Side-by-side runs of multiaug and of the libraries that people use for the same work."""

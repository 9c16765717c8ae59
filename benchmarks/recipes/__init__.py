"""Published recipes and single transforms, each beside the libraries that are used for it."""

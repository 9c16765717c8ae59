"""Files of images to arrays."""

"""From a covariance to whitened records."""

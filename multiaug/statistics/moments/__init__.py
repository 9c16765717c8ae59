"""Count, mean, variance and extremes."""

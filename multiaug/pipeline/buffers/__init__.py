"""Memory of inputs and results."""

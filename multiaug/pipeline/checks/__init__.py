"""What is asked of arguments, structure and values before anything is computed."""

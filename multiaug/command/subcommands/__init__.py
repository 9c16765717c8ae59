"""The subcommands: each file here has a function `register` that adds its own."""

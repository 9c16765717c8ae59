"""Who runs a program: native code on CPUs, XLA anywhere."""

"""Organised point clouds."""
